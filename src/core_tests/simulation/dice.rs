//! Numbers that look random and are the same every time.

use crate::model::Side;

/// A generator (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn side(&mut self) -> Side {
        *self.pick(&Side::BOTH)
    }

    pub fn seconds(&mut self, from: i64, to: i64) -> jiff::SignedDuration {
        let span = usize::try_from(to - from).unwrap();
        jiff::SignedDuration::from_secs(from + i64::try_from(self.below(span)).unwrap())
    }
}
