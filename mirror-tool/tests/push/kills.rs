//! Killed at random moments of a push: whatever is named is whole, with the evidence that belongs to it, and the next
//! run completes.

use std::time::{Duration, Instant};

use super::*;
use crate::kill::Kills;
use crate::shop::APP;
use crate::yard::{Yard, without_referrers};

#[test]
fn kill_at_random_points_of_push() {
    let (mut yard, index, digests) = Yard::full(without_referrers());
    let path = format!("in/{APP}");
    let target = |yard: &Yard| format!("{}/in", yard.inside.host());
    let mut whole = Duration::MAX;
    for _ in 0..3 {
        yard.inside = Registry::with(without_referrers());
        let start = Instant::now();
        yard.pushed(&[]);
        whole = whole.min(start.elapsed());
    }
    let tags = yard.inside.tags();
    let mut kills = Kills::new(20_261_124, whole, 200);
    let (mut halfway, mut named) = (0, 0);
    yard.inside = Registry::with(without_referrers());
    while kills.go_on() {
        kills.kill(&mut yard.command(&[&target(&yard)]));
        let kill = kills.tried;
        yard.complete();
        let is_named = yard.inside.tag(&path, "1.0").is_some();
        if is_named {
            named += 1;
            // All evidence is there, and whatever leads to it.
            for digest in &digests {
                assert!(yard.inside.held(&path, digest).is_some(), "kill {kill}: {digest}");
            }
            let mut now = yard.inside.tags();
            let mut then = tags.clone();
            now.sort();
            then.sort();
            assert_eq!(now, then, "kill {kill}");
        }
        halfway += usize::from(!is_named && !yard.writes().is_empty());
        if is_named || kill % 3 == 2 {
            yard.pushed(&[]);
            yard.complete();
            assert_eq!(yard.inside.tag(&path, "1.0"), Some(index.digest()), "kill {kill}");
            yard.inside = Registry::with(without_referrers());
        }
    }
    println!("{}; {halfway} halfway, {named} named", kills.told());
    assert!(halfway > 20, "{halfway}");
}
