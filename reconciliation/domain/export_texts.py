"""What stands in an export beside its events, for whoever has the file and nothing else."""

HOW_TO_CHECK = """\
An export of the portal's audit trail.

events.jsonl or events.csv   the events, oldest first
manifest.json                what was asked for, how many events, the SHA-256 of their file,
                             the end of the chain when the export began, who made it and when
manifest.sig                 the Ed25519 signature of manifest.json (64 bytes)

Where there is UNSIGNED.txt instead of manifest.sig, nothing proves who made this file.

To check all of it, with the portal's program and no database:

    python manage.py audit_verify --export FILE.zip --public-key KEY.pem

To check it without the portal's program, in the folder with the unpacked files:

    openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in manifest.json -sigfile manifest.sig
    sha256sum events.*        (must be data.sha256 of manifest.json)

Take the public key from somebody you trust, not from where the file came from.

An event's seal:  leaf = SHA-256(0x00, payload)   hash = SHA-256(0x01, previous_hash, leaf)
where payload is the text in UTF-8 and the hashes go in as bytes.

Import events.csv with the comma as the only separator: another one would cut cells into others.
In it a cell that a spreadsheet would run as a formula has an apostrophe in front, and so
has one that begins with an apostrophe: take one away. A spreadsheet shows no more than 32,767
characters of a cell; the file has all of them.
"""

NOT_SIGNED = """\
THIS EXPORT IS NOT SIGNED.

The portal had no signing key (RECON_AUDIT_SIGNING_KEY_FILE). Whoever had this file since could have
changed events and manifest alike. It proves nothing to a third person.
"""
