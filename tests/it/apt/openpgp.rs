//! OpenPGP against gpg.
