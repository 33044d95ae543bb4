//! The rate limit: server time spent per window.
//!
//! What lives here: counting and the headers that tell of it. What may not: reading a clock.

use jiff::Timestamp;

/// Header names and values.
pub type Headers = Vec<(String, String)>;

/// So many microseconds of server time per window.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// The allowance in microseconds.
    pub limit: i64,
    /// The length of a window in seconds.
    pub window: i64,
    /// What one request costs in microseconds.
    pub cost: i64,
    started: i64,
    used: i64,
}

impl RateLimit {
    /// A limit of `limit` microseconds in `window` seconds, at `cost` microseconds a request.
    pub fn new(limit: i64, window: i64, cost: i64) -> Self {
        Self { limit, window: window.max(1), cost, started: i64::MIN, used: 0 }
    }

    /// Books a request. The error and the success both carry the headers of the answer.
    pub fn book(&mut self, now: Timestamp) -> Result<Headers, Headers> {
        let second = now.as_second();
        let window = second.div_euclid(self.window) * self.window;
        if window != self.started {
            self.started = window;
            self.used = 0;
        }
        let reset = (self.started + self.window - second).max(1);
        let left = (self.limit - self.used).max(0);
        let mut headers = vec![
            ("X-RateLimit-Reset".to_owned(), reset.to_string()),
            ("X-RateLimit-Limit".to_owned(), self.limit.to_string()),
            ("X-RateLimit-Remaining".to_owned(), left.to_string()),
        ];
        if left == 0 {
            headers.push(("Retry-After".to_owned(), reset.to_string()));
            return Err(headers);
        }
        self.used += self.cost;
        headers.push(("X-RateLimit-Used".to_owned(), self.cost.to_string()));
        Ok(headers)
    }
}
