//! How many requests one host gets at the same time: halved when it asks to slow down, raised again slowly.
//!
//! Clients that were given the same [`Hosts`] share these places, so that several repositories of one host together get
//! no more than one of them alone; the smallest limit of those that use it holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many good answers in a row raise the limit by one.
const RECOVER_AFTER: usize = 20;

/// The places at hosts that clients share. Clones are the same places.
#[derive(Clone, Default)]
pub struct Hosts(Arc<Mutex<HashMap<String, Arc<Gate>>>>);

/// One gate for each host.
pub(crate) struct Gates {
    limit: usize,
    hosts: Hosts,
}

pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// Places that there are, taken ones included.
    limit: usize,
    /// Places that there may be again.
    most: usize,
    good: usize,
}

impl Gates {
    pub(crate) fn new(limit: usize, hosts: Hosts) -> Self {
        Self {
            limit: limit.clamp(1, 32),
            hosts,
        }
    }

    pub(crate) fn of(&self, url: &url::Url) -> Arc<Gate> {
        let host = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let mut hosts = self.hosts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = hosts.entry(host).or_insert_with(|| Arc::new(Gate::new(self.limit)));
        gate.at_most(self.limit);
        gate.clone()
    }
}

impl Gate {
    fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            state: Mutex::new(State {
                limit,
                most: limit,
                good: 0,
            }),
        }
    }

    /// Somebody wants no more than `most` places here.
    fn at_most(&self, most: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.most = state.most.min(most);
        let spare = state.limit.saturating_sub(state.most);
        // Places that are taken go when somebody else would get them.
        state.limit -= self.permits.forget_permits(spare);
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let place = self.permits.clone().acquire_owned().await.ok()?;
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.limit <= state.most {
                return Some(place);
            }
            state.limit -= 1;
            place.forget();
        }
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
        if state.limit < state.most && state.good >= RECOVER_AFTER {
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
        let gates = Gates::new(8, Hosts::default());
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
        let gates = Gates::new(2, Hosts::default());
        let gate = gates.of(&"http://h/".parse().unwrap());
        for _ in 0..5 {
            let place = gate.enter().await;
            gate.slow_down(place);
        }
        assert_eq!((gate.limit(), gate.permits.available_permits()), (1, 1));
    }

    #[tokio::test]
    async fn clients_share_the_places_of_a_host_and_the_smallest_limit_holds() {
        let hosts = Hosts::default();
        let url = "http://h/".parse().unwrap();
        let (many, few) = (Gates::new(8, hosts.clone()), Gates::new(2, hosts));
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(many.of(&url).enter().await);
        }
        let gate = few.of(&url);
        assert_eq!((gate.limit(), gate.permits.available_permits()), (3, 0));
        taken.clear();
        let places = (gate.enter().await, many.of(&url).enter().await);
        assert_eq!((gate.limit(), gate.permits.available_permits()), (2, 0));
        drop(places);
        for _ in 0..100 {
            gate.went_well();
        }
        assert_eq!((gate.limit(), gate.permits.available_permits()), (2, 2));
    }
}
