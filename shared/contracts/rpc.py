"""Questions that services answer over RPC, as one table: service → method → parameters.

`tests/contract` holds every service's RPC methods to it, parameter names included. All values are JSON. Refusals travel as
`shared.core.errors` and come out at the caller as the same class with the same code.
"""

from __future__ import annotations

ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    "storage": {
        "begin_upload": ("name", "size", "uploaded_by"),
        "finish_upload": ("upload_id", "size", "sha256"),
        "abort_upload": ("upload_id", "reason"),
        "show_upload": ("upload_id",),
        "list_packages": ("after", "limit"),
        "show_package": ("reference",),
        "locate_public": ("name",),
        "locate_blob": ("package_id",),
        "read_manifest": ("package_id",),
        "read_changes": ("epoch", "since", "limit"),
        "feed_position": (),
        "offer_manifest": ("envelope", "peer_id"),
        "give_up_package": ("package_id", "code", "reason"),
        "figures": (),
    },
    "replication": {
        "create_invitation": ("created_by", "valid_seconds"),
        "join": ("invitation",),
        "accept_registration": ("public_key", "request"),
        "authenticate": ("request",),
        "list_peers": (),
        "revoke_peer": ("peer_id", "revoked_by"),
        "hear_announcement": ("peer_id", "epoch", "seq"),
        "list_transfers": ("limit",),
        "pull_now": (),
        "figures": (),
    },
    "directory": {
        "authorize": ("token_sha256", "right"),
        "create_token": ("name", "role", "created_by", "valid_seconds"),
        "list_tokens": (),
        "revoke_token": ("token_id",),
        "figures": (),
    },
    "notify": {
        "subscribe": ("url", "events", "created_by"),
        "list_subscriptions": (),
        "unsubscribe": ("subscription_id",),
        "list_deliveries": ("limit",),
        "figures": (),
    },
    "hashing": {
        "figures": (),
    },
}
"""Every RPC method of every service."""
