//! The minted TUF repository, loaded by `tough`: honest ones load, spoiled ones do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stderr, reason = "says why something was refused")]

use futures::TryStreamExt;
use sealock_testkit::calendar::{BASE_TIME, DAY};
use sealock_testkit::tuf::{DELEGATED_TARGET, FAR_FUTURE_VERSION, Published, Role, TufRepository};
use sealock_testkit::{Sigstore, sha256_hex};
use tough::{ExpirationEnforcement, RepositoryLoader, TargetName};
use url::Url;

const TARGET: &str = "trusted_root.json";

/// Loads the repository from its first root with `tough`, and reads the trusted root out of it.
fn load_expiring(
    published: &Published,
    first_root: &[u8],
    expiration: ExpirationEnforcement,
) -> Result<(i64, Vec<u8>), String> {
    let directory = tempfile::tempdir().unwrap();
    published.write(directory.path());
    let base = Url::from_directory_path(directory.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let first_root = first_root.to_vec();
        let repository = RepositoryLoader::new(&first_root, base.clone(), base.join("targets/").unwrap())
            .expiration_enforcement(expiration)
            .load()
            .await
            .map_err(|fault| fault.to_string())?;
        let name = TargetName::new(TARGET).unwrap();
        let stream = repository.read_target(&name).await.map_err(|fault| fault.to_string())?;
        let stream = stream.ok_or_else(|| "the target is not named".to_owned())?;
        let parts: Vec<bytes::Bytes> = stream.try_collect().await.map_err(|fault| fault.to_string())?;
        let root_version = i64::try_from(repository.root().signed.version.get()).unwrap();
        Ok((root_version, parts.concat()))
    })
}

fn load(published: &Published, first_root: &[u8]) -> Result<(i64, Vec<u8>), String> {
    load_expiring(published, first_root, ExpirationEnforcement::Unsafe)
}

fn repository() -> (TufRepository, String) {
    let document = Sigstore::with_p256_authority(1).trusted_root().json();
    (TufRepository::with_trusted_root(1, &document), document)
}

/// Publishes, loads, and says with which root version it loaded or why not.
fn verdict(repository: &TufRepository, published: &Published) -> Result<i64, String> {
    let verdict = load(published, &repository.first_root()).map(|(version, _)| version);
    if let Err(reason) = &verdict {
        eprintln!("{reason}");
    }
    verdict
}

#[test]
fn honest_repositories_load() {
    let (mut repository, document) = repository();
    assert_eq!(
        load_expiring(&repository.published(), &repository.first_root(), ExpirationEnforcement::Safe),
        Ok((1, document.clone().into_bytes()))
    );
    repository.hashes_in_meta = true;
    let published = repository.publish_next();
    assert_eq!(load(&published, &repository.first_root()), Ok((1, document.into_bytes())));
    assert_eq!(published.newest(Role::Snapshot), "2.snapshot.json");
    assert!(published.files.contains_key(&format!(
        "targets/registry.example.org/{}.keys.json",
        sha256_hex(&repository.delegated_targets[DELEGATED_TARGET])
    )));
    let small = published.without_history();
    assert!(load(&small, &repository.first_root()).is_ok());
    assert!(!small.files.contains_key("1.snapshot.json"));
}

#[test]
fn keys_rotate_along_the_root_chain() {
    let (mut repository, _) = repository();
    repository.rotate_key(Role::Root, 0);
    repository.publish_next_root();
    repository.rotate_key(Role::Timestamp, 0);
    repository.rotate_key(Role::Root, 1);
    repository.publish_next_root();
    let published = repository.publish_next();
    assert_eq!(verdict(&repository, &published), Ok(3));
    // A gap in the chain leaves the client at the first root, whose online key has been replaced.
    assert!(verdict(&repository, &published.clone().without_root(2)).is_err());
    assert!(verdict(&repository, &published.without_roots_after(1)).is_err());
}

#[test]
fn spoiled_files_do_not_load() {
    let (mut repository, _) = repository();
    let old = repository.published();
    repository.set_target("other", b"other");
    let good = repository.publish_next();
    assert_eq!(verdict(&repository, &good), Ok(1));
    for (what, spoiled) in [
        ("target altered", good.clone().with_target_altered(TARGET)),
        ("target longer", good.clone().with_target_longer(TARGET)),
        ("target truncated", good.clone().truncated(&good.target_path(TARGET))),
        ("target missing", good.clone().without(&good.target_path(TARGET))),
        ("timestamp altered", good.clone().with_metadata_altered(Role::Timestamp)),
        ("snapshot altered", good.clone().with_metadata_altered(Role::Snapshot)),
        ("targets altered", good.clone().with_metadata_altered(Role::Targets)),
        ("delegation altered", good.clone().with_metadata_altered(Role::Delegation)),
        ("timestamp truncated", good.clone().truncated("timestamp.json")),
        ("targets truncated", good.clone().truncated("2.targets.json")),
        (
            "timestamp of the newer over the files of the older publication",
            old.clone().with_timestamp_of(&good),
        ),
    ] {
        assert!(verdict(&repository, &spoiled).is_err(), "{what}");
    }
    // Nothing in these tells a client without a memory that they are old.
    assert_eq!(verdict(&repository, &old), Ok(1), "frozen");
}

#[test]
fn spoiled_signatures_do_not_load() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets, Role::Delegation] {
        let (mut repository, _) = repository();
        let spoiled = repository.publish_below_threshold(role);
        assert!(verdict(&repository, &spoiled).is_err(), "{role:?} below threshold");
        let spoiled = repository.publish_signed_by_strangers(role);
        assert!(verdict(&repository, &spoiled).is_err(), "{role:?} by strangers");
        let good = repository.publish();
        assert_eq!(verdict(&repository, &good), Ok(1), "{role:?} honest again");
    }
    let (mut repository, _) = repository();
    let spoiled = repository.publish_with_one_key_repeated(Role::Targets);
    assert!(verdict(&repository, &spoiled).is_err(), "one key twice");
    repository.state(Role::Root).version = 2;
    let spoiled = repository.publish_below_threshold(Role::Root);
    assert!(verdict(&repository, &spoiled).is_err(), "root below threshold");
}

#[test]
fn wrong_statements_do_not_load() {
    let (honest, _) = repository();
    let mut repository = honest.clone();
    repository.wrong_lengths.insert(TARGET.to_owned(), -10);
    let spoiled = repository.publish_next();
    assert!(verdict(&repository, &spoiled).is_err(), "length");

    let mut repository = honest.clone();
    repository.wrong_hashes.push(TARGET.to_owned());
    let spoiled = repository.publish_next();
    assert!(verdict(&repository, &spoiled).is_err(), "hash");

    let mut repository = honest.clone();
    repository.snapshot_names_targets = Some(7);
    let spoiled = repository.publish_next();
    assert!(verdict(&repository, &spoiled).is_err(), "targets version");

    let mut repository = honest;
    repository.timestamp_names_snapshot = Some(7);
    let spoiled = repository.publish_next();
    assert!(verdict(&repository, &spoiled).is_err(), "snapshot version");
}

#[test]
fn expiries_are_as_set() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (mut repository, _) = repository();
        repository.set_expiry(role, BASE_TIME + DAY);
        let published = repository.publish_next();
        let first = repository.first_root();
        assert!(load_expiring(&published, &first, ExpirationEnforcement::Safe).is_err(), "{role:?}");
        assert!(load(&published, &first).is_ok(), "{role:?}");
    }
    let (mut repository, _) = repository();
    repository.set_expiry(Role::Root, BASE_TIME + DAY);
    let published = repository.publish_next_root();
    let first = repository.first_root();
    assert!(load_expiring(&published, &first, ExpirationEnforcement::Safe).is_err());
    assert_eq!(load(&published, &first).unwrap().0, 2);
}

/// These are consistent in themselves: only a client with a memory, or one that counts key holders, can tell.
#[test]
fn attacks_that_only_a_memory_finds_are_consistent() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (mut repository, _) = repository();
        repository.publish_next();
        repository.publish_next();
        let back = repository.roll_back(role, 1);
        assert_eq!(verdict(&repository, &back), Ok(1), "{role:?} rolled back");
        let forward = repository.fast_forward(role);
        assert_eq!(verdict(&repository, &forward), Ok(1), "{role:?} fast-forwarded");
        assert_eq!(repository.version(role), FAR_FUTURE_VERSION);
    }
    let (mut repository, _) = repository();
    let doubled = repository.publish_with_one_key_under_two_ids(Role::Targets);
    // `tough` 0.24 counts key ids, not keys: two signatures by one holder meet a threshold of two.
    assert_eq!(verdict(&repository, &doubled), Ok(2));
}

#[test]
fn equal_seeds_give_equal_bytes() {
    assert_eq!(repository().0.published(), repository().0.published());
    let other = TufRepository::with_trusted_root(2, "{}");
    assert_ne!(repository().0.first_root_digest(), other.first_root_digest());
}
