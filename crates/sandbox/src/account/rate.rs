//! How many requests an account has made in the current second of its clock.

use jiff::Timestamp;

/// A fixed window of one second.
#[derive(Debug, Default)]
pub(crate) struct RequestWindow {
    second: i64,
    count: u32,
}

impl RequestWindow {
    /// Counts a request, and tells how many may follow in this second; none when it is one too many itself.
    pub(crate) fn take(&mut self, now: Timestamp, limit: u32) -> Option<u32> {
        if now.as_second() != self.second {
            *self = Self { second: now.as_second(), count: 0 };
        }
        let left = limit.checked_sub(self.count + 1)?;
        self.count += 1;
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_takes_so_many_requests_and_the_next_one_as_many_again() {
        let (mut window, now) = (RequestWindow::default(), Timestamp::UNIX_EPOCH);
        assert_eq!([(); 3].map(|()| window.take(now, 2)), [Some(1), Some(0), None]);
        let later = Timestamp::from_second(1).unwrap();
        assert_eq!(window.take(later, 2), Some(1));
    }
}
