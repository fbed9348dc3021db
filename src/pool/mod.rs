//! Bounded parallel work over scoped threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// How many threads to use: one a core.
#[must_use]
pub fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Applies `work` to every item on at most `threads` threads, and gives the results in the order of
/// the items. Items are taken in order, so that put the largest first to finish early.
///
/// # Errors
/// The error of the earliest failing item that was seen; no new item is begun after a failure.
pub fn try_map<T, R, E, F>(items: &[T], threads: NonZeroUsize, work: F) -> Result<Vec<R>, E>
where
    T: Sync,
    R: Send,
    E: Send,
    F: Fn(&T) -> Result<R, E> + Sync,
{
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Mutex<Vec<(usize, Result<R, E>)>> = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            results
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((index, result));
        }
    };
    if items.len() <= 1 || threads.get() == 1 {
        worker();
    } else {
        thread::scope(|scope| {
            for _ in 0..threads.get().min(items.len()) {
                scope.spawn(worker);
            }
        });
    }
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

    #[test]
    fn keeps_the_order_of_items() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled = try_map(&items, FOUR, |n| Ok::<_, ()>(n * 2));
        assert_eq!(doubled, Ok(items.iter().map(|n| n * 2).collect()));
    }

    #[test]
    fn stops_at_a_failure_and_gives_it_back() {
        let items: Vec<u32> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let result = try_map(&items, FOUR, |n| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *n == 10 { Err(*n) } else { Ok(()) }
        });
        assert_eq!(result, Err(10));
        assert!(begun.load(Ordering::Relaxed) < items.len());
    }
}
