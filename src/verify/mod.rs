//! Proof of a bundle: its list is signed by whom the isolated side trusts, and every byte is what
//! the list says.
