"""Promise P8: whatever happens to a mesh, after it healed all entitled instances end in the same state, and nothing is lost.

Hypothesis makes up meshes and histories; `shared.testing.mesh_model` runs them on the real handlers, and
`shared.testing.mesh_checks` says what must hold. `ODST_SEED` repeats a run.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import ClassVar

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from services.storage.handlers import uploads
from shared.core.errors import OdstError
from shared.core.staging import EVERY_TAG
from shared.testing.mesh_checks import Words, check_agreement, check_site, check_words
from shared.testing.mesh_client import Crashed
from shared.testing.mesh_model import FAR_AHEAD, Mesh, Site, Snapshot

STEPS_AT_LEAST = 10_000
TOPOLOGIES = ("line", "star", "ring", "full")
NAMES = ("Firefox.pkg", "Office.pkg")
CONTENTS = (b"one", b"two", b"three")
MINUTE = dt.timedelta(minutes=1)
WRITES = ("upload", "retag_package", "delete_package", "undelete_package", "raise_package")

numbers = st.integers(0, 20)
stages = st.sampled_from([(), (), ("test",), ("production",), ("test", "production")])
borne = st.sampled_from([(), ("test",), ("test", "production"), (EVERY_TAG,)])


class MeshMachine(RuleBasedStateMachine):
    """Three to five instances, and all that may happen to them."""

    steps: ClassVar[int] = 0
    rules_seen: ClassVar[dict[str, int]] = {}
    mints: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        """No mesh yet."""
        super().__init__()
        MeshMachine.mints = itertools.count()
        self.mesh = Mesh()
        self.snapshots: dict[Site, Snapshot] = {}
        self.heard: dict[Site, Words] = {}
        self.trust_may_change = True
        self.accepted: list[tuple[Site, str]] = []

    @initialize(
        topology=st.sampled_from(TOPOLOGIES),
        tags=st.lists(borne, min_size=3, max_size=5),
        policies=st.lists(st.sampled_from(["hide", "hide", "keep", "remove"]), min_size=5, max_size=5),
        shown=st.lists(borne, min_size=10, max_size=10),
        stewards=st.lists(st.booleans(), min_size=10, max_size=10),
        trust_may_change=st.booleans(),
    )
    def build(  # noqa: PLR0913, PLR0917 - a mesh has many sides
        self,
        topology: str,
        tags: list[tuple[str, ...]],
        policies: list[str],
        shown: list[tuple[str, ...]],
        stewards: list[bool],
        trust_may_change: bool,  # noqa: FBT001 - Hypothesis calls it
    ) -> None:
        """Instances, and who is registered with whom. A change of trust has all feeds read anew, so half of the histories have none."""
        self.trust_may_change = trust_may_change
        for number, bears in enumerate(tags):
            house = {"staging_tags": bears, "gone_policy": policies[number], "superseded_kept": 1}
            self.mesh.add("ABCDE"[number], trash_seconds=7200, **house)
        for number, (joiner, inviter) in enumerate(_edges(topology, len(tags))):
            sees, steward = frozenset(shown[number]), stewards[number]
            self.mesh.join(self.mesh.sites[joiner], self.mesh.sites[inviter], tags=sees, steward=steward)

    def _happens(self, what: str) -> None:
        MeshMachine.steps += 1
        MeshMachine.rules_seen[what] = MeshMachine.rules_seen.get(what, 0) + 1
        if what not in WRITES:  # administrators of different instances may do something in the same moment
            self.mesh.time += dt.timedelta(milliseconds=300)

    def _site(self, number: int) -> Site:
        return self.mesh.sites[number % len(self.mesh.sites)]

    def _neighbour(self, site: Site, number: int) -> Site:
        found = self.mesh.neighbours(site)
        return found[number % len(found)]

    def _package(self, site: Site, number: int) -> str | None:
        found = site.packages()
        return found[number % len(found)].package_id if found else None

    # What administrators do

    @rule(at=numbers, name=st.sampled_from(NAMES), content=st.sampled_from(CONTENTS), tags=stages)
    def upload(self, at: int, name: str, content: bytes, tags: tuple[str, ...]) -> None:
        """A new name, a name that there is, the same bytes again, or what was deleted before."""
        self._happens("upload")
        site = self._site(at)
        self.accepted.append((site, site.upload(name, content, tags)))

    def _write(self, what: str, at: int, number: int, **arguments: object) -> None:
        self._happens(what)
        site = self._site(at)
        package_id = self._package(site, number)
        if package_id is not None:
            with suppress(OdstError):  # who may not, may not
                site.ask(what, reference=package_id, person="anna", **arguments)

    @rule(at=numbers, number=numbers, tags=stages)
    def retag(self, at: int, number: int, tags: tuple[str, ...]) -> None:
        """Other staging tags."""
        self._write("retag_package", at, number, tags=list(tags))

    @rule(at=numbers, number=numbers, several=st.lists(stages, min_size=5, max_size=5))
    def retag_everywhere(self, at: int, number: int, several: list[tuple[str, ...]]) -> None:
        """Everybody who knows a package gives it tags in the same moment, and none of them knows of the others."""
        self._happens("retag_everywhere")
        package_id = self._package(self._site(at), number)
        for site, tags in zip(self.mesh.sites, several, strict=False):
            if package_id is not None and site.catalogue.package(package_id) is not None:
                with suppress(OdstError):
                    site.ask("retag_package", reference=package_id, person="anna", tags=list(tags))

    @rule(at=numbers, number=numbers)
    def delete(self, at: int, number: int) -> None:
        """A tombstone."""
        self._write("delete_package", at, number)

    @rule(at=numbers, number=numbers)
    def undelete(self, at: int, number: int) -> None:
        """Out of the trash."""
        self._write("undelete_package", at, number)

    @rule(at=numbers, number=numbers)
    def raise_(self, at: int, number: int) -> None:
        """A roll-back, or a roll-forward."""
        self._write("raise_package", at, number)

    @rule(at=numbers, other=numbers, tags=borne)
    def show_other_tags(self, at: int, other: int, tags: tuple[str, ...]) -> None:
        """A registration is narrowed or widened, on one side."""
        self._happens("show_other_tags")
        site = self._site(at)
        site.register(self._neighbour(site, other), tags=frozenset(tags))

    @rule(at=numbers)
    def show_nothing_tagged(self, at: int) -> None:
        """Nobody lets this one see anything but what everybody may."""
        self._happens("show_nothing_tagged")
        site = self._site(at)
        for other in self.mesh.neighbours(site):
            other.register(site, tags=frozenset())

    @precondition(lambda self: self.trust_may_change)
    @rule(at=numbers, other=numbers, steward=st.booleans())
    def change_steward(self, at: int, other: int, steward: bool) -> None:  # noqa: FBT001 - Hypothesis calls it
        """A steward is dismissed, or made one."""
        self._happens("change_steward")
        site = self._site(at)
        site.register(self._neighbour(site, other), steward=steward)

    @precondition(lambda self: self.trust_may_change)
    @rule(at=numbers, other=numbers, number=numbers, bring_back=st.booleans())
    def dismiss_unheard(self, at: int, other: int, number: int, bring_back: bool) -> None:  # noqa: FBT001 - Hypothesis calls it
        """A steward is dismissed, and writes over what it wrote itself before it hears of that."""
        self._happens("dismiss_unheard")
        site = self._site(at)
        steward, package_id = self._neighbour(site, other), self._package(site, number)
        site.register(steward, steward=False)
        self.mesh.time += dt.timedelta(milliseconds=1)
        if package_id is not None and steward.catalogue.package(package_id) is not None:
            with suppress(OdstError):
                steward.ask("undelete_package" if bring_back else "delete_package", reference=package_id, person="anna")

    @precondition(lambda self: self.trust_may_change and all(len(site.ids) < 4 for site in self.mesh.sites))
    @rule(at=numbers)
    def rotate(self, at: int) -> None:
        """Another key."""
        self._happens("rotate")
        site = self._site(at)
        if not site.is_far_ahead:  # its peers could not believe it for as long
            with suppress(OdstError):  # not while it has signed something with a wrong clock
                site.rotate()

    # What the mesh does

    @rule(at=numbers, other=numbers)
    def pull(self, at: int, other: int) -> None:
        """One reads the feed of another."""
        self._happens("pull")
        site = self._site(at)
        site.pull(self._neighbour(site, other))

    @rule(at=numbers)
    def pull_and_fetch(self, at: int) -> None:
        """One reads the feeds of all its peers, and gets what it wants."""
        self._happens("pull_and_fetch")
        site = self._site(at)
        for other in self.mesh.neighbours(site):
            site.pull(other)
        site.fetch()

    @rule(at=numbers)
    def fetch(self, at: int) -> None:
        """One gets what it wants, with what it knew some time ago."""
        self._happens("fetch")
        self._site(at).fetch()

    @rule(at=numbers)
    def sweep(self, at: int) -> None:
        """What is left behind is found."""
        self._happens("sweep")
        self._site(at).sweep()

    @rule(minutes=st.sampled_from([1, 30, 121]))
    def pass_time(self, minutes: int) -> None:
        """The trash is emptied meanwhile, and what was refused is tried again."""
        self._happens("pass_time")
        self.mesh.time += minutes * MINUTE

    # Misfortune

    @rule(cut=st.integers(1, 30))
    def part(self, cut: int) -> None:
        """Some can no longer be reached by the others."""
        self._happens("part")
        self.mesh.away = frozenset(site for number, site in enumerate(self.mesh.sites) if cut >> number & 1)

    @precondition(lambda self: self.mesh.away)
    @rule()
    def mend(self) -> None:
        """They can again."""
        self._happens("mend")
        self.mesh.away = frozenset()

    @rule(at=numbers, other=numbers, after=st.integers(0, 5))
    def crash_while_pulling(self, at: int, other: int, after: int) -> None:
        """The process ends between two questions, and is started again on what it had committed."""
        self._happens("crash_while_pulling")
        site = self._site(at)
        site.client.crash_after = after
        with suppress(Crashed):
            site.pull(self._neighbour(site, other))
        site.client.crash_after = None
        site.start()
        site.settle()

    @rule(at=numbers)
    def back_up(self, at: int) -> None:
        """The databases of one instance are copied."""
        self._happens("back_up")
        site = self._site(at)
        self.snapshots[site] = site.snapshot()

    @precondition(lambda self: self.snapshots)
    @rule(which=numbers)
    def restore(self, which: int) -> None:
        """One instance goes on with an older copy."""
        self._happens("restore")
        site = list(self.snapshots)[which % len(self.snapshots)]
        self.heard.pop(site, None)
        site.restore(self.snapshots[site])

    @rule(at=numbers, seconds=st.sampled_from([0, 0, 90, -90, 1200, -1200]))
    def set_clock(self, at: int, seconds: int) -> None:
        """A clock is set wrong, by more or by less than is tolerated, or right."""
        self._happens("set_clock")
        self._site(at).offset = dt.timedelta(seconds=seconds)

    @precondition(lambda self: not any(site.is_far_ahead for site in self.mesh.sites))
    @rule(at=numbers)
    def set_clock_far_ahead(self, at: int) -> None:
        """By so much that nobody can wait for it; one at a time, as two that are wrong alike believe each other."""
        self._happens("set_clock_far_ahead")
        self._site(at).offset = FAR_AHEAD

    # What must hold

    @invariant()
    def every_instance_is_sound(self) -> None:
        """At every moment, whatever it has heard of."""
        for site in self.mesh.sites:
            check_site(site)

    @invariant()
    def nobody_goes_back_to_an_earlier_word(self) -> None:
        """Of each author, only a later word takes the place of what it said."""
        for site in self.mesh.sites:
            self.heard[site] = check_words(site, self.heard.get(site, {}))

    def teardown(self) -> None:
        """Heal the mesh; then all must agree."""
        self._heal()
        for site in self.mesh.sites:
            check_site(site)
        check_agreement(self.mesh)
        for site, package_id in self.accepted:
            assert site.catalogue.package(package_id) is not None, f"{site.name} lost what it had accepted"

    def _heal(self) -> None:
        self.mesh.away = frozenset()
        for site in self.mesh.sites:
            site.offset = dt.timedelta()
        self.mesh.bring_to_rest()


def _edges(topology: str, size: int) -> list[tuple[int, int]]:
    """Who joined whom."""
    if topology == "star":
        return [(number, 0) for number in range(1, size)]
    if topology == "full":
        return [(number, inviter) for number in range(1, size) for inviter in range(number)]
    line = [(number, number - 1) for number in range(1, size)]
    return [*line, (0, size - 1)] if topology == "ring" else line


@pytest.fixture
def repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same histories give the same package ids, and so the same order wherever that decides."""
    monkeypatch.setattr(uploads, "new_mint", lambda: f"{next(MeshMachine.mints):032x}")


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of warnings are to be expected; nobody would read them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False)
    yield
    structlog.configure(**before)


@pytest.mark.promise("P8")
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("quiet", "repeatable")
def test_after_healing_all_views_agree() -> None:
    """Upload, delete, retag, roll back, part, heal, crash, restore, rotate, dismiss, in any order: one state in the end."""
    number = int(os.environ.get("ODST_SEED") or random.randrange(1 << 32))
    print(f"seed: ODST_SEED={number}")
    MeshMachine.steps, MeshMachine.rules_seen = 0, {}
    examples = int(os.environ.get("ODST_EXAMPLES") or 220)

    run_state_machine_as_test(
        seed(number)(MeshMachine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=100,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink) if os.environ.get("ODST_SHRINK") else (Phase.generate,),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )

    print(f"{MeshMachine.steps} steps: {sorted(MeshMachine.rules_seen.items())}")
    assert MeshMachine.steps >= STEPS_AT_LEAST


@pytest.mark.promise("P8")
@pytest.mark.usefixtures("quiet")
def test_who_was_dismissed_undoes_nothing_on_the_other_side_of_a_cut() -> None:
    """A steward deletes, is dismissed, and brings back before it hears of that: the package stays deleted, everywhere."""
    mesh = Mesh()
    origin, steward, third = (mesh.add(name) for name in "ABC")
    mesh.join(origin, steward, tags=frozenset(), steward=False)
    mesh.join(third, steward, tags=frozenset(), steward=False)
    package_id = origin.upload(NAMES[0], CONTENTS[0], ())
    mesh.bring_to_rest()
    steward.ask("delete_package", reference=package_id, person="anna")
    mesh.bring_to_rest()

    mesh.away = frozenset({origin})
    mesh.time += MINUTE
    origin.register(steward, steward=False)
    mesh.time += MINUTE
    steward.ask("undelete_package", reference=package_id, person="bert")
    third.pull(steward)
    mesh.away = frozenset()
    mesh.bring_to_rest()

    check_agreement(mesh)
    assert all(site.ask("show_package", reference=package_id)["deleted"] for site in mesh.sites)
