//! Operators with keys in their hands, and the statements that they sign.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sealock::crypto::SigningKey;
use sealock::seal::container::{self, FAT32};
use sealock::seal::envelope::key_id;
use sealock::seal::operators::{self, Document, Draft, Key, Role, Roles};
use sealock::seal::statement::{self, Content, Segments, Statement, Versioned};
use sealock::seal::{Header, Operators};

/// A private key: its PKCS#8 form, its name, and itself.
pub struct Hand {
    pub name: &'static str,
    pub der: Vec<u8>,
    pub key: SigningKey,
}

impl Hand {
    pub fn new(name: &'static str) -> Self {
        Self::of(name, Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref())
    }

    pub fn p256(name: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        Self::of(name, EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap().as_ref())
    }

    pub fn p384(name: &'static str) -> Self {
        let algorithm = &ECDSA_P384_SHA384_ASN1_SIGNING;
        Self::of(name, EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap().as_ref())
    }

    fn of(name: &'static str, der: &[u8]) -> Self {
        Self { name, der: der.to_vec(), key: SigningKey::from_pkcs8(der).unwrap() }
    }

    pub fn pem(&self) -> String {
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&self.der))
    }

    pub fn id(&self) -> String {
        key_id(self.key.public())
    }
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A version in which every hand has every role.
pub fn document(version: u64, hands: &[&Hand], threshold: u32) -> Document {
    let role = Role { keys: hands.iter().map(|h| h.id()).collect::<BTreeSet<_>>(), threshold };
    Document {
        expires: time("2036-01-01T00:00:00Z"),
        format: operators::FORMAT.to_owned(),
        keys: hands
            .iter()
            .map(|h| (h.id(), Key { name: h.name.to_owned(), spki: STANDARD.encode(h.key.public().spki()) }))
            .collect(),
        roles: Roles {
            deny: role.clone(),
            operators: role.clone(),
            policy: role.clone(),
            recovery: None,
            seal: role,
        },
        version,
    }
}

/// A first version, signed by all.
pub fn founded(hands: &[&Hand], threshold: u32) -> Draft {
    let mut draft = Draft::first(&document(1, hands, threshold)).unwrap();
    for hand in hands {
        draft.sign(&hand.key).unwrap();
    }
    draft
}

pub fn operators(hands: &[&Hand], threshold: u32) -> Operators {
    founded(hands, threshold).verify().unwrap()
}

/// A statement about next to nothing.
pub fn statement(operators: &Operators, audience: &str, sequence: u64, previous: Option<&str>) -> Statement {
    let contents: BTreeMap<_, _> =
        [container::LAYOUT, container::INDEX, container::SNAPSHOT, container::OPERATORS, "refs/00.json"]
            .map(|name| (name.to_owned(), Content::of(name.as_bytes())))
            .into();
    let total = contents.values().map(|c| container::entry_length(c.size)).sum::<u64>() + container::END;
    Statement {
        audience: audience.to_owned(),
        base: None,
        contents,
        deny_list: None,
        exceptions: Vec::new(),
        expires: time("2026-03-01T00:00:00Z"),
        format: statement::FORMAT.to_owned(),
        journal: None,
        operators: Versioned { sha256: operators.newest().digest(), version: operators.version() },
        origin: "low side".to_owned(),
        policies: BTreeMap::new(),
        previous: previous.map(str::to_owned),
        sealed_at: time("2026-01-01T00:00:00Z"),
        segments: Segments { sha256: vec!["0".repeat(64)], size: FAT32, total },
        sequence,
        trust: Vec::new(),
    }
}

/// The head, signed by `hands`.
pub fn head(statement: &Statement, hands: &[&Hand]) -> Vec<u8> {
    let mut header = Header::new(statement).unwrap();
    for hand in hands {
        header.envelope_mut().sign(&hand.key).unwrap();
    }
    header.render().unwrap()
}
