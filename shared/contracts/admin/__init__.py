"""The Admin API between the gateway and whoever calls it: what is sent, what is answered. See `docs/admin-api.md`.

::

    base        what all bodies, queries and answers have in common; problem details
    packages    packages, their history; uploads; promotions
    mesh        peers, invitations, transfers; matrix, plan, instances
    instance    status, dead letters, subscriptions, deliveries
    events      what can happen: the catalogue
    settings    settings in effect; roles and their rights
    audit       the audit log: entries, exports, what a check of it found
    people      people, services, groups, sessions, tokens

The gateway reads and describes itself by these models, and the client (`odst_client`) reads answers by them. Answers may grow
fields: whoever reads ignores what it does not know.
"""
