//! Parity: Reed-Solomon blocks over the payload, by which damage and lost media are repaired.
//!
//! The payload is cut into blocks ([`shape::Shape`]); `p1/blocks.sha256` in the signed list names the
//! SHA-256 of each ([`index::Index`]), so that damage is located before anything is computed from it,
//! and every repaired block is proved. The code itself ([`code`]) is a maximum distance separable one:
//! of `k` data and `m` parity blocks, any `k` give back all. It does not detect damage, and is never
//! asked to.
//!
//! Source: the field GF(2^16) and the transform of Lin, Al-Naffouri, Han and Chung ("Novel Polynomial
//! Basis with Fast Fourier Transform and Its Application to Reed-Solomon Erasure Codes", 2016), as in
//! the crate `reed-solomon-simd`.

pub mod code;
pub mod index;
pub mod shape;
