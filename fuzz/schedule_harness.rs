//! What the fuzz target `schedule`, and the replay test of its corpus, does with an input.

use chantal_model::{Blackout, Cron, NameTemplate, Schedule};
use jiff::tz::TimeZone;

/// Moments from which a schedule is asked for its next: the epoch, either side of both changes of the clock, and the last
/// day of a leap year.
const MOMENTS: [i64; 6] = [
    0,
    1_774_738_800,
    1_774_749_600,
    1_792_882_800,
    1_792_893_600,
    1_735_603_200,
];

/// Reads the first line as a cron expression, and every other as a window and as the name of a snapshot.
///
/// # Panics
/// A time comes that is not later; a window does not read back as it is shown; something is refused without a reason.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let cron = Cron::parse(lines.next().unwrap_or_default());
    let mut blackout = Vec::new();
    for line in lines.take(16) {
        match Blackout::parse(line) {
            Ok(window) => {
                assert_eq!(Blackout::parse(&window.to_string()).as_ref(), Ok(&window), "{line:?}");
                blackout.push(window);
            }
            Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
        }
        let _ = NameTemplate::parse(line);
    }
    let Ok(cron) = cron else { return };
    for zone in ["UTC", "Europe/Berlin"] {
        let schedule = Schedule {
            cron: cron.clone(),
            time_zone: TimeZone::get(zone).expect("the zone is bundled"),
            blackout: blackout.clone(),
            jitter_seconds: 60,
        };
        for after in MOMENTS {
            match schedule.next(after, after.unsigned_abs()) {
                Ok(next) => assert!(next > after, "{zone}: {next} comes after {after}"),
                Err(error) => assert!(!error.to_string().is_empty(), "refused without a reason"),
            }
        }
    }
}
