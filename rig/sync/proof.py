"""Who knows the secret: HMAC-SHA256 over both sides' fresh numbers and what a message says."""

import hashlib
import hmac

from opticstream.rig.sync.wire import Message, text_of

PROOF = "auth_proof"
NONCE = "auth_nonce"


class Prover:
    """The proofs of one connection.

    Each proof names its purpose, so that none can be sent back or used in another's place, and covers the numbers
    that both sides drew for this connection, so that none can be used twice.

    Args:
        secret: what both sides know.
        slave_nonce: the slave's number.
        master_nonce: the master's number.
    """

    def __init__(self, secret: str, slave_nonce: str, master_nonce: str) -> None:
        self._secret = secret.encode()
        self._nonces = (slave_nonce, master_nonce)

    def proof(self, purpose: str, *said: str) -> dict[str, str]:
        """Return the key that proves ``said``, to be merged into a message."""
        digest = hmac.new(self._secret, digestmod=hashlib.sha256)
        for part in (purpose, *self._nonces, *said):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return {PROOF: digest.hexdigest()}

    def holds(self, message: Message, purpose: str, *said: str) -> bool:
        """Return whether a message carries the proof of ``said``."""
        given = text_of(message, PROOF).encode("utf-8", "surrogatepass")
        return hmac.compare_digest(given, self.proof(purpose, *said)[PROOF].encode())
