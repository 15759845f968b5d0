//! Gates: a plan that is sound, and still is not what its author expects.

use crate::audience::Stats;
use crate::campaign::AudienceSpec;

/// The audience is outside `audience.expect`; nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audience has {recipients} recipients, {}", Bounds(*self))]
pub struct Refused {
    /// How many there are.
    pub recipients: u64,
    /// `expect.min`
    pub min: Option<u64>,
    /// `expect.max`
    pub max: Option<u64>,
}

struct Bounds(Refused);

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self(Refused { recipients, min: Some(min), .. }) if recipients < min => {
                write!(f, "fewer than `expect.min: {min}`; is the file whole and the filter right?")
            }
            Self(Refused { max: Some(max), .. }) => {
                write!(f, "more than `expect.max: {max}`; is the filter right?")
            }
            Self(_) => Ok(()),
        }
    }
}

/// Holds the number of recipients to `audience.expect`.
///
/// # Errors
/// It is below `min` or above `max`.
pub fn expect(spec: &AudienceSpec, stats: &Stats) -> Result<(), Refused> {
    let (recipients, min, max) = (stats.recipients, spec.expect_min, spec.expect_max);
    if min.is_some_and(|min| recipients < min) || max.is_some_and(|max| recipients > max) {
        return Err(Refused { recipients, min, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Source;

    fn check(recipients: u64, expect_min: Option<u64>, expect_max: Option<u64>) -> Result<(), String> {
        let spec = AudienceSpec {
            source: Source::Accounts(Vec::new()),
            account: "account".to_owned(),
            filter: None,
            suppress: None,
            exclude: Vec::new(),
            expect_min,
            expect_max,
            max_bad_rows: 0.0,
        };
        expect(&spec, &Stats { recipients, ..Stats::default() }).map_err(|refused| refused.to_string())
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        assert_eq!(check(0, None, None), Ok(()));
        assert_eq!(check(100, Some(100), Some(100)), Ok(()));
        let few = "the audience has 99 recipients, fewer than `expect.min: 100`; is the file whole and the filter right?";
        assert_eq!(check(99, Some(100), Some(200)), Err(few.to_owned()));
        let many = "the audience has 201 recipients, more than `expect.max: 200`; is the filter right?";
        assert_eq!(check(201, Some(100), Some(200)), Err(many.to_owned()));
    }
}
