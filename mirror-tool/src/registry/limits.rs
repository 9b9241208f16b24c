//! What is read from a registry at most. Each limit has a source.

/// Bytes of a manifest (containers/image `iolimits.go`).
pub const MANIFEST: u64 = sealock::image::manifest::MAX_MANIFEST;
/// Bytes of one page of referrers, or of tags.
pub const PAGE: u64 = 4 * 1024 * 1024;
/// Pages of referrers, or of tags.
pub const PAGES: usize = 64;
/// Descriptors of referrers of one digest.
pub const DESCRIPTORS: usize = 4096;
/// Tags of one repository.
pub const TAGS: usize = 100_000;
/// Bytes of an answer that is an error, and of a token.
pub const SMALL: u64 = 64 * 1024;
/// Redirects of one request.
pub const REDIRECTS: usize = 5;
/// Tries of one request.
pub const TRIES: u32 = 6;
/// Longest `Retry-After` that is honoured, in seconds.
pub const RETRY_AFTER: u64 = 300;
/// Longest life of a token by its own account, in seconds.
pub const TOKEN_LIFE: u64 = 24 * 3600;
/// Bytes of one piece of an upload that is sent in pieces.
pub const PIECE: u64 = 4 * 1024 * 1024;
/// Largest piece that a registry may ask for (`OCI-Chunk-Min-Length`).
pub const LARGEST_PIECE: u64 = 32 * 1024 * 1024;
/// Longest time for an upload in one request.
pub const UPLOAD: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
