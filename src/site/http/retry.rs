//! When a request is sent again, and after how long. Pure: the attempt, the error and the
//! jitter come in, a pause or nothing goes out.
//!
//! The rule kept here: nothing is sent twice on a guess. A read may always be repeated; a
//! write only after an error that certainly had no effect.

use std::time::Duration;

use crate::site::SiteError;

/// The longest pause, whatever a site asks for and however often it failed.
pub const MAX_PAUSE: Duration = Duration::from_secs(300);

/// How often a request is sent and how long the pauses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most times that one request is sent; 0 counts as 1.
    pub max_attempts: u32,
    /// The pause after the first failure; it doubles each time.
    pub backoff: Duration,
}

/// What a second sending of a request would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It only reads: repeated on every error that may pass.
    Read,
    /// It creates, changes or deletes: repeated only when it certainly had no effect.
    Write,
}

impl RetryPolicy {
    /// The pause before the next attempt, or `None` where the error is final. `attempt` is
    /// the number of times the request was sent, `jitter` is between 0 and 1 and spreads the
    /// pause between three quarters and five quarters of its length. A site's `Retry-After`
    /// wins over the policy's own pause; both are cut at five minutes.
    #[must_use]
    pub fn pause(
        &self,
        attempt: u32,
        error: &SiteError,
        repeat: Repeat,
        jitter: f64,
    ) -> Option<Duration> {
        if attempt >= self.max_attempts || !may_repeat(error, repeat) {
            return None;
        }
        if let Some(asked) = error.retry_after {
            return Some(asked.min(MAX_PAUSE));
        }
        let doubled = self.backoff.saturating_mul(1_u32 << attempt.saturating_sub(1).min(20));
        let spread = 0.75 + 0.5 * jitter.clamp(0.0, 1.0);
        Some(doubled.min(MAX_PAUSE).mul_f64(spread).min(MAX_PAUSE))
    }
}

/// Whether a request may be sent again after this error.
fn may_repeat(error: &SiteError, repeat: Repeat) -> bool {
    error.is_retryable()
        && match repeat {
            Repeat::Read => true,
            Repeat::Write => error.had_no_effect(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::ErrorKind;

    const POLICY: RetryPolicy = RetryPolicy { max_attempts: 4, backoff: Duration::from_secs(5) };

    fn error(kind: ErrorKind) -> SiteError {
        SiteError::new(kind, "x")
    }

    #[test]
    fn which_errors_are_repeated() {
        use ErrorKind as K;
        let answered = |kind, status, exc_type: &str| SiteError {
            status: Some(status),
            exc_type: exc_type.to_owned(),
            ..error(kind)
        };
        let cases = [
            // (error, a read is repeated, a write is repeated)
            (error(K::Unreachable), true, true),
            (error(K::Unanswered), true, false),
            (answered(K::Unavailable, 502, ""), true, false),
            (answered(K::Unavailable, 503, ""), true, false),
            (answered(K::Unavailable, 503, "SessionStopped"), true, true),
            (answered(K::Unavailable, 500, "OperationalError"), true, false),
            (answered(K::TooMany, 429, "TooManyRequestsError"), true, true),
            (answered(K::TooMany, 429, ""), true, true),
            (answered(K::Deadlock, 500, "QueryDeadlockError"), true, true),
            (answered(K::Locked, 417, "DocumentLockedError"), true, true),
            (answered(K::Stale, 417, "TimestampMismatchError"), false, false),
            (answered(K::Refused, 500, "TypeError"), false, false),
            (answered(K::Duplicate, 409, "DuplicateEntryError"), false, false),
            (answered(K::Unauthorized, 401, "AuthenticationError"), false, false),
            (answered(K::Forbidden, 403, "PermissionError"), false, false),
            (answered(K::NotFound, 404, "DoesNotExistError"), false, false),
            (answered(K::NoSuchPath, 404, ""), false, false),
            (error(K::TooLarge), false, false),
            (error(K::AnswerTooLarge), false, false),
            (error(K::Redirect), false, false),
            (error(K::Malformed), false, false),
        ];
        for (error, read, write) in cases {
            assert_eq!(POLICY.pause(1, &error, Repeat::Read, 0.5).is_some(), read, "{error:?}");
            assert_eq!(POLICY.pause(1, &error, Repeat::Write, 0.5).is_some(), write, "{error:?}");
        }
    }

    #[test]
    fn pauses_double_and_end() {
        let error = error(ErrorKind::Unreachable);
        let pause = |attempt, jitter| POLICY.pause(attempt, &error, Repeat::Read, jitter);
        assert_eq!(pause(1, 0.5), Some(Duration::from_secs(5)));
        assert_eq!(pause(2, 0.5), Some(Duration::from_secs(10)));
        assert_eq!(pause(3, 0.5), Some(Duration::from_secs(20)));
        assert_eq!(pause(4, 0.5), None);
        assert_eq!(pause(2, 0.0), Some(Duration::from_millis(7500)));
        assert_eq!(pause(2, 1.0), Some(Duration::from_millis(12500)));
        assert_eq!(pause(2, f64::INFINITY), Some(Duration::from_millis(12500)));
    }

    #[test]
    fn pauses_are_bounded_and_retry_after_wins() {
        let many = RetryPolicy { max_attempts: u32::MAX, backoff: Duration::from_secs(5) };
        let mut error = error(ErrorKind::TooMany);
        assert_eq!(many.pause(1000, &error, Repeat::Write, 1.0), Some(MAX_PAUSE));
        error.retry_after = Some(Duration::from_secs(6));
        assert_eq!(many.pause(1000, &error, Repeat::Write, 1.0), Some(Duration::from_secs(6)));
        error.retry_after = Some(Duration::from_secs(86_400));
        assert_eq!(many.pause(1, &error, Repeat::Write, 1.0), Some(MAX_PAUSE));
        let never = RetryPolicy { max_attempts: 0, backoff: Duration::ZERO };
        assert_eq!(never.pause(1, &error, Repeat::Read, 0.0), None);
    }
}
