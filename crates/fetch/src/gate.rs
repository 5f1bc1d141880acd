//! How many requests one host gets at the same time: halved when it asks to slow down, raised again slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many good answers in a row raise the limit by one.
const RECOVER_AFTER: usize = 20;

/// One gate for each host.
pub(crate) struct Gates {
    limit: usize,
    hosts: Mutex<HashMap<String, Arc<Gate>>>,
}

pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    most: usize,
    state: Mutex<State>,
}

struct State {
    limit: usize,
    good: usize,
}

impl Gates {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit.clamp(1, 32),
            hosts: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn of(&self, url: &url::Url) -> Arc<Gate> {
        let host = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts
            .entry(host)
            .or_insert_with(|| {
                Arc::new(Gate {
                    permits: Arc::new(Semaphore::new(self.limit)),
                    most: self.limit,
                    state: Mutex::new(State {
                        limit: self.limit,
                        good: 0,
                    }),
                })
            })
            .clone()
    }
}

impl Gate {
    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// The host asks to slow down: half as many places, this one included.
    pub(crate) fn slow_down(&self, place: Option<OwnedSemaphorePermit>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.good = 0;
        let fewer = state.limit - state.limit.div_ceil(2);
        if fewer == 0 {
            return;
        }
        if let Some(place) = place {
            place.forget();
        }
        let forgotten = 1 + self.permits.forget_permits(fewer - 1);
        state.limit -= forgotten;
    }

    /// The host answered as it should.
    pub(crate) fn went_well(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.good += 1;
        if state.limit < self.most && state.good >= RECOVER_AFTER {
            state.good = 0;
            state.limit += 1;
            self.permits.add_permits(1);
        }
    }

    #[cfg(test)]
    fn limit(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_asks_gets_half_and_comes_back_slowly() {
        let gates = Gates::new(8);
        let gate = gates.of(&"http://h/".parse().unwrap());
        let place = gate.enter().await;
        gate.slow_down(place);
        assert_eq!((gate.limit(), gate.permits.available_permits()), (4, 4));
        for _ in 0..RECOVER_AFTER {
            gate.went_well();
        }
        assert_eq!((gate.limit(), gate.permits.available_permits()), (5, 5));
    }

    #[tokio::test]
    async fn one_place_always_stays() {
        let gates = Gates::new(2);
        let gate = gates.of(&"http://h/".parse().unwrap());
        for _ in 0..5 {
            let place = gate.enter().await;
            gate.slow_down(place);
        }
        assert_eq!((gate.limit(), gate.permits.available_permits()), (1, 1));
    }
}
