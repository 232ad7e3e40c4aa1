"""Questions that services answer over RPC, as one table: service → method → parameters.

`tests/contract` holds every service's RPC methods to it, parameter names included. All values are JSON. Refusals travel as
`shared.core.errors` and come out at the caller as the same class with the same code.
"""

from __future__ import annotations

ANSWERS: dict[str, dict[str, tuple[str, ...]]] = {
    "storage": {
        "begin_upload": ("name", "size", "uploaded_by", "tags"),
        "finish_upload": ("upload_id", "size", "sha256"),
        "abort_upload": ("upload_id", "reason"),
        "show_upload": ("upload_id",),
        "list_packages": ("after", "limit"),
        "show_package": ("reference",),
        "locate_public": ("name",),
        "locate_digest": ("sha256",),
        "locate_blob": ("package_id", "tags"),
        "read_manifest": ("package_id", "tags"),
        "retag_package": ("reference", "tags", "person"),
        "delete_package": ("reference", "person"),
        "undelete_package": ("reference", "person"),
        "raise_package": ("reference", "person"),
        "list_history": ("name",),
        "promote_package": ("reference", "stage", "at", "person"),
        "list_promotions": ("limit",),
        "approve_promotion": ("promotion_id", "person"),
        "reject_promotion": ("promotion_id", "person", "reason"),
        "read_changes": ("epoch", "since", "limit", "view"),
        "feed_position": (),
        "compare_records": ("items",),
        "read_records": ("packages", "charters", "rotations", "view"),
        "offer_records": ("packages", "charters", "rotations", "peer_id"),
        "offer_manifest": ("envelope", "peer_id"),
        "withdraw_packages": ("package_ids", "peer_id"),
        "ring_wanted": ("package_ids",),
        "read_holdings": ("package_ids", "tags"),
        "outline_packages": ("after", "limit"),
        "digest_buckets": ("shown", "seen"),
        "list_bucket": ("bucket", "shown", "seen"),
        "declare_peers": ("stewards", "revoked"),
        "list_instances": (),
        "rotate_key": ("person",),
        "give_up_package": ("package_id", "code", "reason"),
        "figures": (),
    },
    "replication": {
        "create_invitation": ("created_by", "valid_seconds", "tags", "steward"),
        "join": ("invitation", "tags"),
        "accept_registration": ("public_key", "request"),
        "accept_rotation": ("request",),
        "authenticate": ("request",),
        "list_peers": (),
        "change_peer": ("peer_id", "tags", "steward", "person"),
        "revoke_peer": ("peer_id", "revoked_by"),
        "hear_announcement": ("peer_id", "epoch", "seq"),
        "list_transfers": ("limit",),
        "transfer_progress": ("package_ids",),
        "matrix": ("package_ids",),
        "plan": ("package_id", "tags"),
        "pull_now": (),
        "figures": (),
    },
    "directory": {
        "authorize": ("token_sha256", "right"),
        "create_token": ("name", "role", "created_by", "valid_seconds"),
        "list_tokens": (),
        "revoke_token": ("token_id",),
        "list_audit": ("after", "limit"),
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
