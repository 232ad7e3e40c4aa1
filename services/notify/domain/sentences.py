"""What is said of each event to people: a headline, a sentence, and what to do if something is to be done.

A row is a type of event; in its texts, `{…}` stands for a fact of that event (`facts.py`). Texts are English, without markup: whoever
puts them into a mail or a chat escapes them as that needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.notify.domain.channels.base import Told
from services.notify.domain.facts import Facts, facts_of


class Weight(StrEnum):
    """How much it matters."""

    NEWS = "news"
    WARNING = "warning"
    """Somebody may have to look."""
    ALARM = "alarm"
    """Somebody has to look."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """A row of the table."""

    headline: str
    sentence: str
    action: str = ""
    weight: Weight = Weight.NEWS


@dataclass(frozen=True, slots=True)
class Said:
    """An event in words, with the facts that it was made of; everything is visible, and nothing is escaped yet."""

    headline: str
    sentence: str
    action: str
    weight: Weight
    facts: Facts


_LOOK_AT_ORIGIN = "Ask whoever runs its origin whether the file there is sound: odst package show {package_id}"

SENTENCES: dict[str, Sentences] = {
    "package.published.v1": Sentences(
        "{name} can be downloaded", "The package {name} ({size}) can be downloaded at {here}; {whence}.{note}"
    ),
    "package.quarantined.v1": Sentences(
        "{name} was refused",
        "A file for the package {name} was put into quarantine at {here}: {reason} ({code}).",
        "Nothing was deleted. Compare the file with its vendor's, then upload it again: odst package show {package_id}",
        Weight.WARNING,
    ),
    "package.retagged.v1": Sentences("{name} has other tags", "{person} gave the package {name} other staging tags: {tags}."),
    "package.deleted.v1": Sentences(
        "{name} was deleted",
        "{person} deleted the package {name}, everywhere.",
        "For some days it can be brought back: odst package undelete {package_id}",
    ),
    "package.restored.v1": Sentences("{name} is back", "{person} brought the deleted package {name} back, everywhere."),
    "package.raised.v1": Sentences(
        "{name} was made current", "{person} made an earlier or later version of {name} current, everywhere: package {package_id}."
    ),
    "package.withdrawn.v1": Sentences(
        "{name} is not for {here} any more",
        "The package {name} is no longer for {here}: its staging tags, or what a peer shows us, were narrowed. Its bytes: {policy}.",
    ),
    "promotion.requested.v1": Sentences(
        "{name} is to go to {stage}",
        "{person} asked that the package {name} be promoted to {stage}. It {state}.",
        "To approve or reject it: odst approve {promotion_id}, or odst reject {promotion_id}",
    ),
    "promotion.ended.v1": Sentences(
        "Promotion of {name} to {stage}: {state}",
        "The promotion of the package {name} to {stage} has ended: {state}, by {person}.{because}",
    ),
    "transfer.suspect.v1": Sentences(
        "A manifest is suspect",
        "Different peers gave the same wrong chunk {chunk} of the package {package_id}. Its manifest is suspect, and the transfer to "
        "{here} stopped.",
        _LOOK_AT_ORIGIN,
        Weight.ALARM,
    ),
    "transfer.changed.v1": Sentences(
        "The transfer of {name} was {change}",
        "{person} decided about the transfer of {name} to {here}: it was {change}. Its priority is {priority}.",
    ),
    "peer.registered.v1": Sentences("{name} is a peer now", "{here} and {name} have registered with each other ({peer_id})."),
    "peer.changed.v1": Sentences(
        "Other rights for the peer {name}", "{person} changed what the peer {name} may see at {here}: {tags}. It {steward} our packages."
    ),
    "peer.revoked.v1": Sentences(
        "The peer {name} was revoked",
        "The peer {name} ({peer_id}) was revoked at {here}{by}: it is deaf and mute from now on.",
        "If that was not you or one of yours, look who did it: odst audit",
        Weight.WARNING,
    ),
    "peer.banned.v1": Sentences(
        "A peer lied and is banned",
        "The peer {peer_id} gave wrong bytes to {here} again and again ({reason}). It is no source until {until}.",
        "Its disk may be broken, or somebody changes what it sends: ask whoever runs it. odst peer show {peer_id}",
        Weight.ALARM,
    ),
    "peer.feed_went_back.v1": Sentences(
        "The feed of a peer went back",
        "The change feed of the peer {peer_id} ends at {found_seq}, but it told {here} of {told_seq} before.",
        "Was its database restored by copying files? If not, distrust it, and ask whoever runs it.",
        Weight.ALARM,
    ),
    "peer.clock_skewed.v1": Sentences(
        "The clock of {name} is wrong, or ours",
        "The clocks of the peer {name} and of {here} differ by {seconds} seconds. They refuse each other's requests.",
        "Set the clocks of both by NTP.",
        Weight.WARNING,
    ),
    "instance.stale.v1": Sentences(
        "Nothing was heard of {name}",
        "The instance {name} has said nothing of itself since {issued}.",
        "Is it away? If not, somebody on the way withholds its news: odst instances",
        Weight.ALARM,
    ),
    "instance.revoked.v1": Sentences(
        "A steward revoked an instance",
        "The instance {revoked_by}, which may steward our packages, revoked {instance_id}.",
        "Ask why, and revoke it here too if you must: odst peers",
        Weight.WARNING,
    ),
    "instance.rotated.v1": Sentences(
        "An instance has a new key", "The instance {old_id} has a new key. Its id is {new_id} from now on.{by_whom}"
    ),
    "instance.contested.v1": Sentences(
        "A key is in other hands",
        "The key of {old_id} was replaced by two different ones, so somebody has it who should not. {here} counts {new_id}; the other "
        "is {rival_id}. Which one counts proves nothing.",
        "At once: ask whoever runs it which is right, and revoke the other.",
        Weight.ALARM,
    ),
    "catalogue.restored.v1": Sentences(
        "The database of {here} is older than it was",
        "The database of {here} ends at {found_seq}, but peers were told of {told_seq} already: it was restored or reset.",
        "If you restored it, there is nothing to do. If not, find out who did: odst audit verify --witnesses",
        Weight.ALARM,
    ),
    "catalogue.drifted.v1": Sentences(
        "Records had been missed",
        "The daily comparison with the peer {peer_id} found {missing} records that were missing at {here}, and {different} that "
        "differed. They were fetched.",
        "Once, that is nothing. Again and again: look at the logs of both.",
        Weight.WARNING,
    ),
    "record.refused.v1": Sentences(
        "A forged record was refused",
        "The peer {peer_id} relayed a record of the kind {kind} ({record_id}) that {here} refused: {reason} ({code}).",
        "Ask whoever runs the peer where it came from; revoke the peer if nobody can say: odst peer show {peer_id}",
        Weight.ALARM,
    ),
    "meta.overruled.v1": Sentences(
        "Of two changes, one lost",
        "Two people changed the {field} of the package {package_id} without knowing of each other. {lost_value}, by {lost_person}, lost "
        "to {won_value}.",
        "If the other was meant, say so again: odst package show {package_id}",
        Weight.WARNING,
    ),
    "census.differed.v1": Sentences(
        "Records of {name} are missing",
        "The instance {name} says that it wrote {written} records, and {arrived} arrived at {here}. Somebody on the way strips or "
        "withholds records.",
        "Look at the peers between here and there, or register with {name} directly.",
        Weight.ALARM,
    ),
    "audit.contradicted.v1": Sentences(
        "The audit log of {name} contradicts itself",
        "The peer {name} signed two things about its audit log that cannot both be true: {reason}. Somebody wrote it anew, or cut it.",
        "Ask them, and have them run: odst audit verify --witnesses",
        Weight.ALARM,
    ),
    "message.dead_lettered.v1": Sentences(
        "A message could not be handled",
        "A message in the queue {queue} at {here} could not be handled: {reason} ({code}).",
        "Mend the cause, then: odst dead-letters replay",
        Weight.WARNING,
    ),
    "alarm.raised.v1": Sentences(
        "At {here}, {matter}",
        "At {here}, since {since}, {matter}: {detail}. It is about {about}.{again}",
        "What to do about {kind}, docs/alarms.md says. What is the matter now: odst alarms",
        Weight.ALARM,
    ),
    "alarm.cleared.v1": Sentences(
        "Over at {here}: {matter}", "What was the matter with {about} at {here} since {since} is over: {matter}, {detail}."
    ),
    "subscription.disabled.v1": Sentences(
        "A subscription is disabled",
        "The {kind} subscription {subscription_id} of {owner} at {here} is disabled: {why}. It was for: {description}.",
        "When that is mended: odst subscriptions resume {subscription_id}",
        Weight.WARNING,
    ),
    "webhook.test": Sentences("A test", "{here} tries whether the subscription {subscription_id} can be reached. It can."),
}
"""Every event that subscribers can have, by its type; and the message that a test sends."""

_UNKNOWN = Sentences("{event_type}", "There was an event of the type {event_type} at {here}.")


def weight_of(event_type: str) -> Weight:
    """How much an event of this type matters."""
    return SENTENCES.get(event_type, _UNKNOWN).weight


def said(told: Told) -> Said:
    """An event in words."""
    row, facts = SENTENCES.get(told.event_type, _UNKNOWN), facts_of(told)
    headline, sentence, action = (text.format_map(facts) for text in (row.headline, row.sentence, row.action))
    return Said(headline, sentence, action, row.weight, facts)
