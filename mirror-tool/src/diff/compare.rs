//! The comparison itself.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use sealock::image::Digest;
use sealock::image::manifest::MAX_MANIFEST;
use sealock::store::{Channel, Source};
use serde::Serialize;
use serde_json::Value;

use super::place::{Local, Place, Scope};
use super::remote::Fetched;
use crate::push::inventory::{Inventory, Names};
use crate::push::merge;
use crate::registry::manifest::By;
use crate::registry::{Answer, Registries, Repository};

/// Images compared at once.
const IMAGES: usize = 4;

/// A piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// What it is about.
    pub subject: Digest,
    /// How it hangs there: `signature-tag`, `attestation-tag`, `sbom-tag`, `referrer`.
    pub channel: &'static str,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// The layer, for classic evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
}

/// What makes a piece another one: subject, channel, place beside the image's own, and the manifest or the layer with its
/// annotations.
type Key = (Digest, &'static str, String, String);

/// One side's view of an image.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// What it stands for; nothing where it is not there.
    pub digest: Option<Digest>,
    /// Evidence.
    pub evidence: BTreeMap<Key, Piece>,
    /// Every manifest that is there.
    pub manifests: BTreeSet<Digest>,
    /// Content that it needs and that is not there.
    pub missing: BTreeSet<Digest>,
    /// Why it cannot be told.
    pub unknown: Vec<String>,
}

/// A name that stands for two things.
#[derive(Clone, Debug, Serialize)]
pub struct Moved {
    /// The name.
    pub name: String,
    /// On the one side.
    pub a: Digest,
    /// On the other.
    pub b: Digest,
}

/// An image that both have, and that they do not have alike.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unlike {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub digest: Digest,
    /// Evidence that B lacks.
    pub evidence_only_in_a: Vec<Piece>,
    /// Evidence that A lacks.
    pub evidence_only_in_b: Vec<Piece>,
    /// Content that A lacks and B has.
    pub missing_in_a: Vec<Digest>,
    /// Content that B lacks and A has.
    pub missing_in_b: Vec<Digest>,
}

/// What cannot be told.
#[derive(Clone, Debug, Serialize)]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// `a` or `b`.
    pub side: &'static str,
    /// Why.
    pub reasons: Vec<String>,
}

/// What two sides do not have in common.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// Names that were compared.
    pub compared: usize,
    /// Names that only A has.
    pub only_in_a: Vec<String>,
    /// Names that only B has.
    pub only_in_b: Vec<String>,
    /// Names that stand for different digests.
    pub moved: Vec<Moved>,
    /// Images that are not alike.
    pub unlike: Vec<Unlike>,
    /// What cannot be told.
    pub unknown: Vec<Unknown>,
}

impl Differences {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        !(self.only_in_a.is_empty()
            && self.only_in_b.is_empty()
            && self.moved.is_empty()
            && self.unlike.is_empty())
    }
}

/// One image on one side.
#[derive(Clone, Debug)]
struct Seat {
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A name, and where each side has it.
struct Pair {
    name: String,
    seats: [Option<Seat>; 2],
}

fn channel(channel: &Channel) -> &'static str {
    match channel {
        Channel::SignatureTag => "signature-tag",
        Channel::AttestationTag => "attestation-tag",
        Channel::SbomTag => "sbom-tag",
        Channel::Referrer => "referrer",
    }
}

/// What an inventory comes to. `own` only keeps what hangs in the image's repository.
fn picture(
    source: &dyn Source,
    inventory: &Inventory,
    digest: Digest,
    repository: &str,
    own: bool,
) -> Picture {
    let mut picture =
        Picture { digest: Some(digest), unknown: inventory.problems.clone(), ..Picture::default() };
    picture.missing.extend(inventory.missing.iter().map(|(_, child)| *child));
    picture.missing.extend(&inventory.left_out);
    picture.manifests.extend(inventory.parts.keys());
    for hung in &inventory.hung {
        let elsewhere = hung.repository != repository;
        if elsewhere && own {
            continue;
        }
        let place = if elsewhere { hung.repository.clone() } else { String::new() };
        let kind = channel(&hung.channel);
        let mut put = |key: String, layer: Option<Digest>| {
            let piece = Piece { subject: hung.subject, channel: kind, manifest: hung.manifest, layer };
            picture.evidence.entry((hung.subject, kind, place.clone(), key)).or_insert(piece);
        };
        let layers = (hung.channel != Channel::Referrer)
            .then(|| source.read(&hung.manifest, MAX_MANIFEST).ok())
            .flatten()
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .and_then(|value| value.get("layers").and_then(Value::as_array).cloned());
        match layers {
            Some(layers) => {
                for layer in &layers {
                    let digest = layer.get("digest").and_then(Value::as_str).and_then(|d| d.parse().ok());
                    put(merge::identity(layer), digest);
                }
            }
            None => put(hung.manifest.to_string(), None),
        }
    }
    picture
}

impl Local {
    fn picture(&self, seat: &Seat, own: bool) -> Picture {
        let Some(digest) = seat.digest else { return Picture::default() };
        if self.omitted.contains(&digest) {
            return Picture { digest: Some(digest), ..Picture::default() };
        }
        let source = self.source.as_ref();
        let mut inventory =
            Inventory::take(source, &self.held, &self.names, &seat.repository, &digest, false);
        inventory.missing.retain(|(_, child)| !self.omitted.contains(child));
        inventory.left_out.retain(|child| !self.omitted.contains(child));
        picture(source, &inventory, digest, &seat.repository, own)
    }
}

async fn remote(registries: &Registries, seat: &Seat) -> Picture {
    let unknown = |reason: String| Picture { unknown: vec![reason], ..Picture::default() };
    let repository = match Repository::parse(&seat.repository) {
        Ok(repository) => repository,
        Err(fault) => return unknown(fault.to_string()),
    };
    let digest = match (&seat.digest, &seat.tag) {
        (Some(digest), _) => registries.stands_for(&repository, By::Digest(digest)).await,
        (None, tag) => registries.stands_for(&repository, By::Tag(tag.as_deref().unwrap_or("latest"))).await,
    };
    let digest = match digest {
        Answer::Found(digest) => digest,
        Answer::Absent(_) => return Picture::default(),
        Answer::Unknown(doubt) => return unknown(format!("what it stands for is unknown: {doubt}")),
    };
    let fetched = Fetched::all(registries, &repository, &digest).await;
    let held = |digest: &Digest| Ok(fetched.blobs.get(digest).copied());
    let inventory = Inventory::take(&fetched, &held, &fetched.names(), &repository.name, &digest, false);
    let mut picture = picture(&fetched, &inventory, digest, &repository.name, true);
    picture.unknown.extend(fetched.unknown);
    picture
}

fn seats(names: &Names) -> BTreeMap<String, Seat> {
    let seat = |named: &crate::push::inventory::Named| Seat {
        repository: named.repository.clone(),
        tag: Some(named.tag.clone()),
        digest: Some(named.digest),
    };
    names.images.iter().map(|named| (named.name(), seat(named))).collect()
}

/// The tags of a repository that are names of images.
async fn tags(registries: &Registries, repository: &str) -> Result<Vec<Seat>, String> {
    let place = Repository::parse(repository).map_err(|fault| fault.to_string())?;
    let tags = match registries.tags(&place).await {
        Answer::Found(tags) => tags,
        Answer::Absent(_) => Vec::new(),
        Answer::Unknown(doubt) => return Err(format!("the tags of {repository} are unknown: {doubt}")),
    };
    let plain = tags.into_iter().filter(|tag| crate::push::inventory::about(tag).is_none());
    let seat = |tag: String| Seat { repository: repository.to_owned(), tag: Some(tag), digest: None };
    Ok(plain.map(seat).collect())
}

fn zip(a: BTreeMap<String, Seat>, mut b: BTreeMap<String, Seat>) -> Vec<Pair> {
    let mut pairs: Vec<_> = a
        .into_iter()
        .map(|(name, seat)| {
            let other = b.remove(&name);
            Pair { name, seats: [Some(seat), other] }
        })
        .collect();
    pairs.extend(b.into_iter().map(|(name, seat)| Pair { name, seats: [None, Some(seat)] }));
    pairs.sort_by(|x, y| x.name.cmp(&y.name));
    pairs
}

/// The seats of a registry's scope, by tag or digest alone.
async fn scoped(registries: &Registries, scope: &Scope) -> Result<(String, BTreeMap<String, Seat>), String> {
    match scope {
        Scope::Repository(repository) => {
            let found = tags(registries, repository).await?;
            let by_tag = found.into_iter().filter_map(|seat| Some((format!(":{}", seat.tag.clone()?), seat)));
            Ok((repository.clone(), by_tag.collect()))
        }
        Scope::Image(reference) => {
            let repository = reference.repository().to_owned();
            let digest = reference.digest().copied();
            let tag = reference.tag().filter(|_| digest.is_none()).map(str::to_owned);
            let key = digest
                .map_or_else(|| format!(":{}", tag.as_deref().unwrap_or("latest")), |d| format!("@{d}"));
            let seat = Seat { repository: repository.clone(), tag, digest };
            Ok((repository, BTreeMap::from([(key, seat)])))
        }
        Scope::Mapped(_) => Err("a whole registry is compared with a place on this machine".to_owned()),
    }
}

/// What the two sides may have in common.
async fn pairs(registries: &Registries, a: &Place, b: &Place) -> Result<Vec<Pair>, String> {
    Ok(match (a, b) {
        (Place::Local(a), Place::Local(b)) => zip(seats(&a.names), seats(&b.names)),
        (Place::Registry(a), Place::Registry(b)) => {
            let ((name, mut a_seats), (_, mut b_seats)) =
                (scoped(registries, a).await?, scoped(registries, b).await?);
            // One image on a side is compared with the image of that tag on the other.
            match (a, b) {
                (Scope::Image(_), Scope::Image(_)) => {
                    let other = b_seats.into_values().next();
                    let first = a_seats.into_iter().next();
                    return Ok(first
                        .map(|(key, seat)| Pair { name: format!("{name}{key}"), seats: [Some(seat), other] })
                        .into_iter()
                        .collect());
                }
                (Scope::Image(_), _) => b_seats.retain(|key, _| a_seats.contains_key(key)),
                (_, Scope::Image(_)) => a_seats.retain(|key, _| b_seats.contains_key(key)),
                _ => {}
            }
            zip(a_seats, b_seats)
        }
        (Place::Local(local), Place::Registry(scope)) => with_registry(registries, local, scope).await?,
        (Place::Registry(scope), Place::Local(local)) => {
            let mut pairs = with_registry(registries, local, scope).await?;
            for pair in &mut pairs {
                pair.seats.reverse();
            }
            pairs
        }
    })
}

async fn with_registry(registries: &Registries, local: &Local, scope: &Scope) -> Result<Vec<Pair>, String> {
    let mut own = seats(&local.names);
    if let Scope::Mapped(mapping) = scope {
        let pair = |(name, seat): (String, Seat)| {
            let there = mapping.target(&seat.repository)?;
            let other = Seat { repository: there.name, tag: seat.tag.clone(), digest: None };
            Ok(Pair { name, seats: [Some(seat), Some(other)] })
        };
        return own.into_iter().map(pair).collect();
    }
    let (repository, seats) = scoped(registries, scope).await?;
    let full: BTreeMap<_, _> =
        seats.into_iter().map(|(key, seat)| (format!("{repository}{key}"), seat)).collect();
    match scope {
        Scope::Image(reference) => {
            own.retain(|name, _| full.contains_key(name));
            // A digest has no name here; whether it is held is looked for.
            if let Some(digest) = reference.digest() {
                let held = local.source.read(digest, MAX_MANIFEST).is_ok();
                let seat = Seat { repository: repository.clone(), tag: None, digest: Some(*digest) };
                own.extend(held.then(|| (format!("{repository}@{digest}"), seat)));
            }
        }
        _ => own.retain(|_, seat| seat.repository == repository),
    }
    Ok(zip(own, full))
}

async fn view(registries: &Registries, place: &Place, seat: Option<Seat>, own: bool) -> Picture {
    match (place, seat) {
        (_, None) => Picture::default(),
        (Place::Local(local), Some(seat)) => local.picture(&seat, own),
        (Place::Registry(_), Some(seat)) => remote(registries, &seat).await,
    }
}

/// Compares two sides.
///
/// # Errors
/// In one line, where a side cannot be asked at all.
pub async fn compare(registries: &Registries, a: &Place, b: &Place) -> Result<Differences, String> {
    let pairs = pairs(registries, a, b).await?;
    let own = matches!(a, Place::Registry(_)) || matches!(b, Place::Registry(_));
    let views = pairs.into_iter().map(|Pair { name, seats: [at_a, at_b] }| async move {
        let (at_a, at_b) = futures::join!(view(registries, a, at_a, own), view(registries, b, at_b, own));
        (name, at_a, at_b)
    });
    let views: Vec<_> = futures::stream::iter(views).buffered(IMAGES).collect().await;
    let mut done = Differences::default();
    for (name, at_a, at_b) in views {
        done.put(name, &at_a, &at_b, [omitted(a), omitted(b)]);
    }
    Ok(done)
}

fn omitted(place: &Place) -> Option<&BTreeSet<Digest>> {
    match place {
        Place::Local(local) => Some(&local.omitted).filter(|omitted| !omitted.is_empty()),
        Place::Registry(_) => None,
    }
}

impl Differences {
    fn put(&mut self, name: String, a: &Picture, b: &Picture, omitted: [Option<&BTreeSet<Digest>>; 2]) {
        let mut unknown = false;
        for (side, picture) in [("a", a), ("b", b)] {
            if !picture.unknown.is_empty() {
                unknown = true;
                let reasons = picture.unknown.clone();
                self.unknown.push(Unknown { name: name.clone(), side, reasons });
            }
        }
        self.compared += 1;
        let (digest, other) = match (a.digest, b.digest) {
            _ if unknown && (a.digest.is_none() || b.digest.is_none()) => return,
            (None, None) => return,
            (Some(_), None) => return self.only_in_a.push(name),
            (None, Some(_)) => return self.only_in_b.push(name),
            (Some(a), Some(b)) => (a, b),
        };
        if digest != other {
            return self.moved.push(Moved { name, a: digest, b: other });
        }
        let [a_omits, b_omits] = omitted;
        // What a delta leaves out, its receiver has; evidence about it is there too.
        let lacks = |have: &Picture, other: &Picture, omits: Option<&BTreeSet<Digest>>| {
            let pieces = have.evidence.iter().filter(|(key, _)| !other.evidence.contains_key(*key));
            // What is said about something that the other side lacks is not told beside it.
            let pieces = pieces.filter(|(_, piece)| other.manifests.contains(&piece.subject));
            let pieces = pieces.filter(|(_, p)| omits.is_none_or(|omits| !omits.contains(&p.manifest)));
            pieces.map(|(_, piece)| piece.clone()).collect::<Vec<_>>()
        };
        let unlike = Unlike {
            name,
            digest,
            evidence_only_in_a: lacks(a, b, b_omits),
            evidence_only_in_b: lacks(b, a, a_omits),
            missing_in_a: a.missing.difference(&b.missing).copied().collect(),
            missing_in_b: b.missing.difference(&a.missing).copied().collect(),
        };
        let alike = unlike.evidence_only_in_a.is_empty()
            && unlike.evidence_only_in_b.is_empty()
            && unlike.missing_in_a.is_empty()
            && unlike.missing_in_b.is_empty();
        if !alike {
            self.unlike.push(unlike);
        }
    }
}
