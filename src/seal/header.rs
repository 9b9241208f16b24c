//! The head of a transfer: read, and believed.
//!
//! Input: the first [`container::HEADER_LENGTH`] bytes and the operators that the store has pinned. Output:
//! [`VerifiedSeal`]. No other parser has run by then.
//!
//! | rule | source |
//! |---|---|
//! | the first block is exactly the one that names `seal.json` | ours |
//! | an envelope in canonical form, then spaces | DESIGN §4 rule 10, §5 |
//! | signatures of the pinned operators' role `seal`, as many as its threshold | DESIGN §5 |
//! | only then the statement is parsed, and checked for itself | threats §1 no. 7 |
//!
//! Not checked here: audience, sequence, expiry (`order`); segments and documents (the store).
//! Attacks considered: `fuzz_seal_header`, `seal_by_removed_operator`.

use jiff::Timestamp;

use super::envelope::Envelope;
use super::operators::Operators;
use super::statement::Statement;
use super::{SealFault, canonical, container};

/// Payload type of a seal.
pub const PAYLOAD_TYPE: &str = "application/vnd.sealock.seal.v1+json";
const PART: &str = "seal.json";

/// A head whose form is sound. Nothing vouches for it yet.
#[derive(Clone, Debug)]
pub struct Header {
    envelope: Envelope,
}

/// A seal that enough operators signed.
#[derive(Debug)]
pub struct VerifiedSeal {
    statement: Statement,
    envelope: Envelope,
    digest: String,
}

/// Whether a file that begins like this is a transfer. Proves nothing.
pub fn looks_like_transfer(start: &[u8]) -> bool {
    start.len() >= 512 && start.starts_with(&container::first_block())
}

impl Header {
    /// A head without signatures.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn new(statement: &Statement) -> Result<Self, SealFault> {
        statement.check()?;
        Ok(Self { envelope: Envelope::new(PAYLOAD_TYPE, canonical::render(PART, statement)?) })
    }

    /// Reads the first bytes of a transfer.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealFault> {
        let content = bytes
            .strip_prefix(&container::first_block())
            .filter(|content| content.len() == container::HEADER_SIZE)
            .ok_or_else(|| SealFault::malformed(PART, "it does not begin like a transfer"))?;
        let end = content.iter().rposition(|b| *b != b' ').map_or(0, |at| at + 1);
        let envelope = Envelope::parse(PART, content.get(..end).unwrap_or_default(), PAYLOAD_TYPE)?;
        Ok(Self { envelope })
    }

    /// The first bytes of a transfer.
    ///
    /// # Errors
    /// [`SealFault::HeaderTooLarge`].
    pub fn render(&self) -> Result<Vec<u8>, SealFault> {
        let content = self.envelope.render(PART)?;
        if content.len() > container::HEADER_SIZE {
            return Err(SealFault::HeaderTooLarge { size: content.len(), limit: container::HEADER_SIZE });
        }
        let mut bytes = container::first_block().to_vec();
        bytes.extend_from_slice(&content);
        bytes.resize(container::HEADER_LENGTH, b' ');
        Ok(bytes)
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The envelope, to be signed.
    pub fn envelope_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }

    /// What it states, which nothing vouches for: for the sealing side's own eyes.
    ///
    /// # Errors
    /// [`SealFault::Malformed`].
    pub fn unverified(&self) -> Result<Statement, SealFault> {
        let statement: Statement = canonical::parse(PART, self.envelope.payload())?;
        statement.check()?;
        Ok(statement)
    }

    /// Believes it if enough of `operators` signed it.
    ///
    /// # Errors
    /// [`SealFault::Threshold`], [`SealFault::OperatorsExpired`] (judged at the time of sealing, which they signed),
    /// [`SealFault::Malformed`].
    pub fn verify(self, operators: &Operators) -> Result<VerifiedSeal, SealFault> {
        // The statement is parsed after the signatures: the time is not needed for them.
        operators.vouch_for(&self.envelope, Timestamp::MIN)?;
        let statement = self.unverified()?;
        operators.vouch_for(&self.envelope, statement.sealed_at)?;
        let digest = self.envelope.digest();
        Ok(VerifiedSeal { statement, envelope: self.envelope, digest })
    }
}

impl VerifiedSeal {
    /// What it states.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// SHA-256 of the statement, in hex: the seal's name, whoever signs it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Checks it once more, against operators that it brings itself.
    ///
    /// # Errors
    /// [`SealFault::Operators`] where they are not those that it states; as [`Operators::vouch_for`].
    pub fn verify_under(&self, brought: &Operators) -> Result<(), SealFault> {
        let stated = &self.statement.operators;
        if stated.version != brought.version() || stated.sha256 != brought.newest().digest() {
            return Err(SealFault::Operators { reason: "they are not those that the seal states".into() });
        }
        brought.vouch_for(&self.envelope, self.statement.sealed_at)
    }
}
