//! HTTP on the connected side: small documents, and downloads that resume.
