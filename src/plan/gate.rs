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
