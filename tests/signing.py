"""Keys and folders of the audit trail for tests."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciliation import conf
from reconciliation.domain.signing import Signer


def make_key(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """Make a key; return the files of its private and public half."""
    signer = Signer(Ed25519PrivateKey.generate())
    private, public = folder / f"{name}.private", folder / f"{name}.pem"
    private.write_bytes(signer.private_pem())
    private.chmod(0o600)
    public.write_bytes(signer.public_pem())
    return private, public


def signed_conf(folder: Path) -> conf.Conf:
    """Return settings with a new key, and a folder for checkpoints that is empty."""
    private, _ = make_key(folder)
    (folder / "checkpoints").mkdir(exist_ok=True)
    return conf.require(
        {
            "RECON_AUDIT_SIGNING_KEY_FILE": str(private),
            "RECON_AUDIT_CHECKPOINT_DIR": str(folder / "checkpoints"),
            "RECON_AUDIT_PUBLIC_KEYS_DIR": str(folder),
        }
    )
