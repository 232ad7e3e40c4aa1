"""The directory service: table of contents."""

from __future__ import annotations

from typing import Any

from services.directory.config import DirectorySettings
from services.directory.domain.rights import describe_roles
from services.directory.wiring import build
from shared.contracts.events import (
    AlarmClearedV1,
    AlarmRaisedV1,
    AuditContradictedV1,
    CatalogueDriftedV1,
    CatalogueRestoredV1,
    CensusDifferedV1,
    DoorActedV1,
    Event,
    InstanceContestedV1,
    InstanceRevokedV1,
    InstanceRotatedV1,
    InstanceStaleV1,
    MetaOverruledV1,
    PackageDeletedV1,
    PackageRaisedV1,
    PackageRestoredV1,
    PackageRetaggedV1,
    PackageWithdrawnV1,
    PeerBannedV1,
    PeerChangedV1,
    PeerClockSkewedV1,
    PeerFeedWentBackV1,
    PeerRegisteredV1,
    PeerRevokedV1,
    PromotionEndedV1,
    PromotionRequestedV1,
    RecordRefusedV1,
    SubscriptionDisabledV1,
    TransferChangedV1,
    TransferSuspectV1,
)
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles_all
from shared.runtime.bus.happening import HappeningProvider
from shared.runtime.services import Hosted, InEffect, Wired, every


class DirectoryService:
    """Who may do what, and who did what."""

    name = "directory"
    wired = Wired(build)
    in_effect = InEffect()
    happening = HappeningProvider()

    @handles_all(
        PeerRegisteredV1,
        PeerChangedV1,
        PeerRevokedV1,
        PeerBannedV1,
        TransferChangedV1,
        TransferSuspectV1,
        PackageRetaggedV1,
        PackageDeletedV1,
        PackageRestoredV1,
        PackageRaisedV1,
        PackageWithdrawnV1,
        PromotionRequestedV1,
        PromotionEndedV1,
        RecordRefusedV1,
        MetaOverruledV1,
        CatalogueRestoredV1,
        InstanceStaleV1,
        CensusDifferedV1,
        InstanceRevokedV1,
        InstanceRotatedV1,
        InstanceContestedV1,
        CatalogueDriftedV1,
        PeerFeedWentBackV1,
        PeerClockSkewedV1,
        AuditContradictedV1,
        DoorActedV1,
        SubscriptionDisabledV1,
        AlarmRaisedV1,
        AlarmClearedV1,
    )
    def on_told(self, event: Event) -> None:
        """Something that an administrator did, or has to know."""
        self.wired.audit.trail.write_down(event, self.happening)

    @every
    def sweep(self) -> None:
        """Who is gone outside is shut out here; what is the matter is found."""
        self.wired.sweep()

    @answers
    def authorize(self, token_sha256: str, right: str) -> Any:
        """Who holds this token, if that is enough for the right."""
        return self.wired.do.gate.authorize(token_sha256, right)

    @answers
    def authorize_session(self, session_sha256: str, right: str) -> Any:
        """Whose session this is, if that is enough for the right."""
        return self.wired.do.gate.authorize_session(session_sha256, right)

    @answers
    def log_in(self, name: str, password: str, session_sha256: str, address: str, agent: str) -> Any:
        """A session, for who knows the password."""
        return self.wired.do.sessions.log_in(name, password, session_sha256, address, agent)

    @answers
    def log_in_ways(self) -> Any:
        """How one can log in."""
        return self.wired.do.outside.ways()

    @answers
    def begin_oidc(self, redirect_uri: str | None, next_path: str | None, address: str) -> Any:
        """Where a browser logs in at the provider of OpenID Connect."""
        return self.wired.do.browser.begin(redirect_uri, next_path, address)

    @answers
    def finish_oidc(self, returned: Any, secret: str, session_sha256: str, address: str, agent: str) -> Any:
        """A session, for whom the provider vouches."""
        return self.wired.do.browser.finish(returned, secret, session_sha256, address, agent)

    @answers
    def list_sessions(self, person_id: str) -> Any:
        """Where somebody is logged in."""
        return self.wired.do.sessions.listed(person_id)

    @answers
    def end_session(self, person_id: str, session_id: str) -> None:
        """Log out."""
        self.wired.do.sessions.end(person_id, session_id)

    @answers
    def change_own_password(self, person_id: str, password: str, new_password: str, address: str) -> Any:
        """For who knows the present one."""
        return self.wired.do.sessions.change_own_password(person_id, password, new_password, address)

    @answers
    def create_person(  # noqa: PLR0913, PLR0917 - the whole wish
        self, name: str, grants: Any, display_name: str | None, email: str | None, password: str | None, service: Any, by: str
    ) -> Any:
        """A local account, or a service."""
        return self.wired.do.people.create(name, grants, display_name, email, password, service, by)

    @answers
    def list_people(self) -> Any:
        """All people and services."""
        return self.wired.do.people.listed()

    @answers
    def show_person(self, reference: str) -> Any:
        """One of them."""
        return self.wired.do.people.show(reference)

    @answers
    def show_standings(self, references: list[str], right: str) -> Any:
        """Who of them may come in, and has a right."""
        return self.wired.do.people.standings(references, right)

    @answers
    def change_person(  # noqa: PLR0913, PLR0917 - the whole wish
        self, reference: str, grants: Any, display_name: str | None, email: str | None, by: str, expected: list[str] | None = None
    ) -> Any:
        """Other grants, or another name to be shown."""
        return self.wired.do.people.change(reference, grants, display_name, email, by, expected)

    @answers
    def set_person_state(self, reference: str, state: str, by: str, expected: list[str] | None = None) -> Any:
        """Disable, enable, delete."""
        return self.wired.do.people.set_state(reference, state, by, expected)

    @answers
    def set_password(self, reference: str, password: str, by: str, expected: list[str] | None = None) -> Any:
        """Another password for somebody."""
        return self.wired.do.people.set_password(reference, password, by, expected)

    @answers
    def grant_to_group(self, group: str, grant: Any, by: str) -> Any:
        """A role for whoever is in a group outside."""
        return self.wired.do.groups.grant(group, grant, by)

    @answers
    def list_group_grants(self) -> Any:
        """What groups outside mean here."""
        return self.wired.do.groups.listed()

    @answers
    def revoke_group_grant(self, grant_id: str, by: str) -> None:
        """No longer."""
        self.wired.do.groups.revoke(grant_id, by)

    @answers
    def create_token(  # noqa: PLR0913, PLR0917 - the whole wish
        self, name: str, grants: Any, rights: Any, person: str | None, valid_seconds: int | None, never_expires: Any, maker: Any
    ) -> Any:
        """A new token: shown this once, through this answer."""
        return self.wired.do.tokens.create_token(name, grants, rights, person, valid_seconds, never_expires, maker)

    @answers
    def list_tokens(self, of: str | None) -> Any:
        """All tokens, or those of one person, without their text."""
        return self.wired.do.tokens.list_tokens(of)

    @answers
    def revoke_token(self, token_id: str, of: str | None) -> None:
        """Close a door for good."""
        self.wired.do.tokens.revoke_token(token_id, of)

    @answers
    def begin_request(self, request_id: str, person_id: str, key_sha256: str, fingerprint: str) -> Any:
        """Whether a request with a key is new."""
        return self.wired.do.keyed.begin(request_id, person_id, key_sha256, fingerprint)

    @answers
    def finish_request(self, request_id: str, status: Any, answer: Any, secret: Any) -> None:
        """What was answered."""
        self.wired.do.keyed.finish(request_id, status, answer, secret)

    @answers
    def release_request(self, request_id: str) -> None:
        """Nothing was done."""
        self.wired.do.keyed.release(request_id)

    @answers
    def check_right(self, person: str, right: str, tag: str) -> Any:
        """Whether somebody may do this within this staging tag now, and why not."""
        return self.wired.do.gate.check_right(person, right, tag)

    @answers
    def list_roles(self) -> Any:
        """Each role, and what it gives."""
        return describe_roles()

    @answers
    def list_audit(self, after: str | None, limit: int, filters: dict[str, str | None] | None) -> Any:
        """A page of the audit log, newest first."""
        return self.wired.audit.trail.list_audit(after, limit, filters)

    @answers
    def export_audit(self, after: str | None, limit: int, filters: dict[str, str | None] | None) -> Any:
        """Lines of the audit log, oldest first."""
        return self.wired.audit.trail.export_audit(after, limit, filters)

    @answers
    def verify_audit(self, after: str | None) -> Any:
        """What is wrong with a portion of the audit log, if anything is."""
        return self.wired.audit.verifying.verify_audit(after)

    @answers
    def compare_checkpoints(self, checkpoints: list[dict[str, Any]]) -> Any:
        """Whether the audit log is what others were told of it."""
        return self.wired.audit.verifying.compare_checkpoints(checkpoints)

    @answers
    def acknowledge_restore(self) -> Any:
        """The log was cut because its database was restored: guard it from its present end."""
        return self.wired.audit.checkpointing.acknowledge_restore()

    @answers
    def latest_checkpoint(self) -> Any:
        """What peers are to witness."""
        return self.wired.audit.checkpointing.latest_checkpoint()

    @answers
    def keep_receipt(self, peer_id: str, envelope: str) -> None:
        """A peer has witnessed it."""
        self.wired.audit.checkpointing.keep_receipt(peer_id, envelope)

    @answers
    def examine_ldap(self, name: str | None = None) -> Any:
        """Each step of a test of the connection to the directory of accounts, and what came of it."""
        return self.wired.do.outside.examine_ldap(name)

    @answers
    def list_alarms(self) -> Any:
        """What is the matter."""
        return self.wired.watching.list_alarms()

    @answers
    def list_settings(self) -> Any:
        """What this process goes by, and where it came from."""
        return self.in_effect()

    @answers
    def examine_oidc(self) -> Any:
        """Each step of a test of the connection to the provider of OpenID Connect, and what came of it."""
        return self.wired.do.outside.examine_oidc()

    @answers
    def figures(self) -> Any:
        """How many people, tokens, sessions and entries in the audit log there are."""
        return self.wired.figures()


_WORKERS = 32
"""More than can wait for passwords (8 + 12) and for accounts outside (6) together: tokens are checked meanwhile."""
HOSTED = Hosted(DirectoryService, DirectorySettings, max_workers=_WORKERS)
