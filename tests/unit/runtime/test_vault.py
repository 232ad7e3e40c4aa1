"""Claims about the vault: what it encrypted opens at its place only, and keys can be replaced while it is in use."""

from __future__ import annotations

import base64
import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.core.errors import SecretUnreadable
from shared.runtime import vault as vault_module
from shared.runtime.settings import ConfigurationError
from shared.runtime.vault import Encrypted, Place, Vault, add_key, drop_key, read_keys

HERE = Place("notify", "subscriptions", "encrypted_secret", "s1")
ELSEWHERE = [
    HERE._replace(service="replication"),
    HERE._replace(table="others"),
    HERE._replace(column="other"),
    HERE._replace(row="s2"),
    HERE._replace(table='subscriptions","x', column="y"),
]
SECRET = "whsec_grün"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keys are to be."""
    return tmp_path / "secrets" / "vault.keys"


def test_a_secret_opens_at_its_place(path: Path) -> None:
    """Also for another process; two texts of one secret differ; nothing shows in a repr."""
    one, other = Vault.load_or_create(path).encrypt(SECRET, HERE), Vault.load_or_create(path).encrypt(SECRET, HERE)

    assert Vault(path).decrypt(one, HERE) == Vault(path).decrypt(other, HERE) == SECRET
    assert one.text != other.text
    assert one.text not in repr(one)
    assert SECRET not in one.text


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_secret_opens_nowhere_else(place: Place, path: Path) -> None:
    """Whoever can write to the database cannot move it to a row whose address they know."""
    vault = Vault.load_or_create(path)
    encrypted = vault.encrypt(SECRET, HERE)

    with pytest.raises(SecretUnreadable) as caught:
        vault.decrypt(encrypted, place)

    assert SECRET not in str(caught.value)


def test_a_secret_that_was_changed_does_not_open(path: Path) -> None:
    """Any character of it, and any part left out."""
    vault = Vault.load_or_create(path)
    text = vault.encrypt(SECRET, HERE).text
    changed = [text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(text) - 1)]

    for wrong in [*changed, text[:-4], text[4:], "", SECRET]:
        with pytest.raises(SecretUnreadable):
            vault.decrypt(Encrypted(wrong), HERE)


def test_a_new_key_encrypts_and_the_old_one_still_opens(path: Path) -> None:
    """Whoever has the file open notices; without the old key its secrets stay shut, and the message says which key it is."""
    vault = Vault.load_or_create(path)
    old, before = vault.newest, vault.encrypt(SECRET, HERE)

    new = add_key(path)
    after = vault.encrypt(SECRET, HERE)

    assert (before.key_id, after.key_id, vault.newest) == (old, new, new)
    assert vault.decrypt(before, HERE) == vault.decrypt(after, HERE) == SECRET
    drop_key(path, old)
    assert vault.decrypt(after, HERE) == SECRET
    with pytest.raises(SecretUnreadable, match=old):
        vault.decrypt(before, HERE)


def test_the_key_that_encrypts_cannot_be_dropped(path: Path) -> None:
    """Nor one that is not there; the file stays as it was."""
    newest = Vault.load_or_create(path).newest
    content = path.read_bytes()

    for wrong in (newest, "00000000"):
        with pytest.raises(ConfigurationError):
            drop_key(path, wrong)

    assert path.read_bytes() == content


def test_who_has_the_keys_goes_on_when_the_file_is_gone_or_broken(path: Path) -> None:
    """A file that is just being edited stops nothing; a new process does not start with it."""
    vault = Vault.load_or_create(path)
    encrypted = vault.encrypt(SECRET, HERE)

    path.write_text("nonsense")
    assert vault.decrypt(encrypted, HERE) == SECRET
    path.unlink()

    assert vault.decrypt(encrypted, HERE) == SECRET


def test_the_file_is_its_owners_only_and_made_once(path: Path) -> None:
    """Several services start at once; all have the same key. A new key does not open the file to others."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Vault.load_or_create(path).newest, range(8)))
    assert len(set(made)) == 1
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    add_key(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_line_that_is_no_key_is_named_and_not_shown(path: Path) -> None:
    """Too short, no base64; comments and empty lines are none."""
    path.parent.mkdir()
    key = base64.b64encode(bytes(32)).decode()
    path.write_text(f"# ours\n\n{key}\n")
    assert len(read_keys(path)) == 1

    for wrong in ("c2hvcnQ=", "hunter2!"):
        path.write_text(f"{key}\n{wrong}\n")
        with pytest.raises(ConfigurationError, match="line 2") as caught:
            read_keys(path)
        assert wrong not in str(caught.value)
    path.write_text("# none\n")
    with pytest.raises(ConfigurationError, match="no key"):
        read_keys(path)


def test_a_key_may_be_put_before_the_others_at_any_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the file is looked at while one secret is encrypted."""
    vault, look = Vault.load_or_create(path), vault_module._version

    def look_and_rotate(where: Path) -> tuple[int, int]:
        found = look(where)
        add_key(path)
        return found

    monkeypatch.setattr(vault_module, "_version", look_and_rotate)
    encrypted = vault.encrypt(SECRET, HERE)
    monkeypatch.undo()

    assert Vault(path).decrypt(encrypted, HERE) == SECRET
    assert len(read_keys(path)) > 1


def test_a_key_file_that_cannot_be_replaced_is_named_and_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that is mounted into a container: its keys are added where it comes from."""

    def busy(self: Path, _target: Path) -> Path:
        raise OSError(errno.EBUSY, "Device or resource busy", str(self))

    known = Vault.load_or_create(path).newest
    monkeypatch.setattr(Path, "replace", busy)

    with pytest.raises(ConfigurationError, match=r"vault\.keys cannot be replaced: Device or resource busy"):
        add_key(path)

    assert list(read_keys(path)) == [known]
    assert list(path.parent.iterdir()) == [path]
