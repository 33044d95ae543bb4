//! The two sites and the directions between them.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// One of the two sites that are kept in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The site that the configuration calls `[cloud]`.
    Cloud,
    /// The site that the configuration calls `[local]`.
    Local,
}

impl Side {
    /// Both sides, in the order in which everything is done and written: cloud, local.
    pub const BOTH: [Self; 2] = [Self::Cloud, Self::Local];

    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Cloud => Self::Local,
            Self::Local => Self::Cloud,
        }
    }

    /// The word for this side in configuration, state and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Local => "local",
        }
    }

    /// Reads the word that [`Side::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.as_str() == text)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that a person entered with its side, as `cloud:ACME`; `None` where it says none.
#[must_use]
pub fn named_on(text: &str) -> Option<(Side, &str)> {
    let (side, name) = text.split_once(':')?;
    Some((Side::parse(side)?, name)).filter(|(_, name)| !name.is_empty())
}

/// One value for each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// The cloud's value.
    pub cloud: T,
    /// The local site's value.
    pub local: T,
}

impl<T> Sides<T> {
    /// Pairs the two values.
    pub const fn new(cloud: T, local: T) -> Self {
        Self { cloud, local }
    }

    /// Makes the value of each side with `make`, cloud first.
    pub fn from_fn(mut make: impl FnMut(Side) -> T) -> Self {
        let cloud = make(Side::Cloud);
        let local = make(Side::Local);
        Self { cloud, local }
    }

    /// Applies `f` to both values, cloud first.
    pub fn map<U>(self, mut f: impl FnMut(Side, T) -> U) -> Sides<U> {
        let cloud = f(Side::Cloud, self.cloud);
        let local = f(Side::Local, self.local);
        Sides { cloud, local }
    }

    /// The same pair by reference.
    pub const fn as_ref(&self) -> Sides<&T> {
        Sides { cloud: &self.cloud, local: &self.local }
    }

    /// Both values with their sides, cloud first.
    pub fn iter(&self) -> impl Iterator<Item = (Side, &T)> {
        [(Side::Cloud, &self.cloud), (Side::Local, &self.local)].into_iter()
    }
}

impl<T> Index<Side> for Sides<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Cloud => &self.cloud,
            Side::Local => &self.local,
        }
    }
}

impl<T> IndexMut<Side> for Sides<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Cloud => &mut self.cloud,
            Side::Local => &mut self.local,
        }
    }
}

/// Which way a change was, or may be, carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the cloud to the local site.
    CloudToLocal,
    /// From the local site to the cloud.
    LocalToCloud,
    /// Both ways (a rule), or on both sites (an action).
    Both,
    /// Nothing was carried.
    None,
}

impl Direction {
    /// The direction in which `target` is the side written to.
    #[must_use]
    pub const fn to(target: Side) -> Self {
        match target {
            Side::Cloud => Self::LocalToCloud,
            Side::Local => Self::CloudToLocal,
        }
    }

    /// The side that is written to, where it is exactly one.
    #[must_use]
    pub const fn target(self) -> Option<Side> {
        match self {
            Self::CloudToLocal => Some(Side::Local),
            Self::LocalToCloud => Some(Side::Cloud),
            Self::Both | Self::None => None,
        }
    }

    /// Reads the word that [`Direction::as_str`] gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::CloudToLocal, Self::LocalToCloud, Self::Both, Self::None]
            .into_iter()
            .find(|direction| direction.as_str() == text)
    }

    /// The word for this direction in state and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CloudToLocal => "cloud_to_local",
            Self::LocalToCloud => "local_to_cloud",
            Self::Both => "both",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
