"""What to do about a certificate that was not accepted."""

from __future__ import annotations

import ssl

_UNTRUSTED_CODES = frozenset({2, 18, 19, 20, 21})
_EXPIRED, _NOT_YET, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64


def about_a_certificate(cause: ssl.SSLCertVerificationError, authorities: str, address: str) -> str:
    """One sentence; `authorities` and `address` are the settings that name the file of authorities, and where to connect."""
    code = cause.verify_code
    if code in _UNTRUSTED_CODES:
        return f"nobody who is trusted here signed its certificate: put the certificate of its authority into the file of {authorities}"
    if code == _EXPIRED:
        return "its certificate has expired: renew it there"
    if code == _NOT_YET:
        return "its certificate is not valid yet: compare the clocks of both machines"
    if code in (_OTHER_HOST, _OTHER_ADDRESS):
        return f"its certificate is for another name: in {address}, use a name that the certificate has"
    return f"its certificate was refused: {cause.verify_message}"
