//! A sealed transfer in a registry.

use super::*;
use crate::shop::Run;
use crate::yard::Yard;

struct Sealed {
    yard: Yard,
    files: Vec<PathBuf>,
}

fn mirror(args: &[&str]) -> bool {
    Command::new(env!("CARGO_BIN_EXE_sealock-mirror")).args(args).output().unwrap().status.success()
}

impl Sealed {
    fn new(more: &[&str]) -> Option<Self> {
        let (yard, _) = Yard::signed();
        let path = |name: &str| yard.shop.path(name).to_str().unwrap().to_owned();
        let key =
            Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out", &path("k")]).output();
        if !key.is_ok_and(|done| done.status.success()) {
            println!("skipped: openssl is not on this machine");
            return None;
        }
        let named = format!("olga={}", path("k"));
        assert!(mirror(&["operators", "init", "--key", &named, "-o", &path("operators.json")]));
        let (store, operators, key, output) =
            (path("store"), path("operators.json"), path("k"), path("t.tar"));
        let mut args = vec!["seal", "--store", &store, "--audience", "far-store", "--operators", &operators];
        args.extend(["--key", &key, "-o", &output]);
        args.extend(more);
        assert!(mirror(&args));
        let mut files: Vec<_> = std::fs::read_dir(yard.shop.folder.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with("t.tar"))
            .collect();
        files.sort();
        Some(Self { yard, files })
    }

    fn push(&self, file: &Path, target: &str) -> Run {
        let target = format!("{}{target}", self.yard.inside.host());
        self.yard.run(&["--seal", file.to_str().unwrap(), &target])
    }
}

#[test]
fn a_transfer_is_published_and_comes_back() {
    for more in [&[][..], &["--segment-size", "4K"]] {
        let Some(sealed) = Sealed::new(more) else { return };
        let run = sealed.push(&sealed.files[0], "/transfers");
        assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
        let report = run.json();
        let digest = report["digest"].as_str().unwrap();
        let inside = &sealed.yard.inside;
        assert_eq!(inside.tag("transfers", "seal-far-store-1").as_deref(), Some(digest));
        let manifest: Value = serde_json::from_slice(&inside.held("transfers", digest).unwrap()).unwrap();
        assert_eq!(manifest["artifactType"], "application/vnd.sealock.seal.v1");
        // The layers, one after the other, are the transfer.
        let layers = manifest["layers"].as_array().unwrap();
        let bytes: Vec<_> =
            layers.iter().map(|l| inside.held("transfers", l["digest"].as_str().unwrap()).unwrap()).collect();
        let on_disk: Vec<u8> = sealed.files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
        assert!(bytes.concat() == on_disk);
        let titles: Vec<_> = layers
            .iter()
            .map(|l| l["annotations"]["org.opencontainers.image.title"].as_str().unwrap())
            .collect();
        assert_eq!(&titles[..2], ["t.tar.000", "t.tar.001"]);
        if sealed.files.len() > 1 {
            assert_eq!(titles.len(), sealed.files.len());
        }
        sealed.yard.complete();
        inside.forget_requests();
        let again = sealed.push(&sealed.files[0], "/transfers");
        assert_eq!((again.status, &again.json()["tag"]), (0, &"unchanged".into()));
        assert_eq!(sealed.yard.writes(), Vec::<String>::new());
    }
}

#[test]
fn push_seal_that_is_none() {
    let Some(sealed) = Sealed::new(&["--segment-size", "4K"]) else { return };
    let junk = sealed.yard.shop.path("junk");
    std::fs::write(&junk, vec![7; 100_000]).unwrap();
    assert_eq!(sealed.push(&junk, "/transfers").status, 1);
    // One byte of a segment, and a segment that ends early or goes on.
    let segment = &sealed.files[2];
    let good = std::fs::read(segment).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    std::fs::write(segment, &bad).unwrap();
    let run = sealed.push(&sealed.files[0], "/transfers");
    assert_eq!(run.status, 3, "{}{}", run.data, run.notes);
    assert!(run.data.contains("is damaged"), "{}", run.data);
    for bytes in [&good[..good.len() - 1], &[&good[..], b"x"].concat()] {
        std::fs::write(segment, bytes).unwrap();
        assert_eq!(sealed.push(&sealed.files[0], "/transfers").status, 1);
    }
    std::fs::remove_file(segment).unwrap();
    assert_ne!(sealed.push(&sealed.files[0], "/transfers").status, 0);
    assert!(sealed.yard.inside.tags().is_empty());
}

#[test]
fn another_transfer_of_that_sequence_stays() {
    let Some(sealed) = Sealed::new(&[]) else { return };
    let before = sealed.yard.inside.manifest("transfers", "seal-far-store-1", "x/y", b"{}");
    let run = sealed.push(&sealed.files[0], "/transfers");
    assert_eq!(run.status, 1, "{}", run.data);
    assert_eq!(sealed.yard.inside.tag("transfers", "seal-far-store-1"), Some(before));
    let run = sealed.push(&sealed.files[0], "/transfers:mine");
    assert_eq!(run.status, 0, "{}{}", run.data, run.notes);
    assert!(sealed.yard.inside.tag("transfers", "mine").is_some());
}
