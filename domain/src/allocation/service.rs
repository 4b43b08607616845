//! Which slots of a pool are in service: its size, and the slots that operators take out.
//!
//! A pool may have 200,000 slots and a slot is written once a statement, so a change of many goes out a part at a time: what is
//! left to do is remembered, and done with the statements that follow.

use super::{Change, Effects, Event, Pool, Service, Write};
use crate::Millis;
use crate::lease::EventKind;

/// Slots that one statement changes without anybody waiting for them: more are left to the next.
pub(super) const PART: usize = 4_000;

/// A change of size that is not done.
#[derive(Debug)]
pub(super) struct Resizing {
    capacity: u32,
    actor: String,
    /// Slots from this number on are not looked at yet.
    next: u32,
    /// Slots before it that could not be written.
    later: Vec<u32>,
}

impl Pool {
    /// Another size: slots up to it are in service, those beyond leave when they are free. Slots that are not stored yet must
    /// be stored and loaded first. What does not fit into this statement is done with the next ones.
    pub fn resize(&mut self, capacity: u32, actor: &str, fx: &mut Effects) {
        self.resizing = Some(Resizing { capacity, actor: actor.to_owned(), next: 1, later: Vec::new() });
        self.go_on(fx);
    }

    /// Takes a slot out of service (when it is free), or back into it; with the next statement, if it is written already in
    /// this one. False if there is no such slot.
    pub fn cordon(&mut self, number: u32, out: bool, actor: &str, fx: &mut Effects) -> bool {
        if number == 0 || number as usize > self.slots.len() {
            return false;
        }
        self.cordons.remove(&number);
        if !self.cordon_now(number, out, actor, fx) {
            self.cordons.insert(number, (out, actor.to_owned()));
        }
        true
    }

    /// False if it must wait for the next statement.
    fn cordon_now(&mut self, number: u32, out: bool, actor: &str, fx: &mut Effects) -> bool {
        let slot = &self.slots[number as usize - 1];
        let wanted = match (out, slot.service, slot.claim.is_some()) {
            (true, Service::In, true) => Service::Cordoned,
            (true, Service::In, false) => Service::Closed,
            (false, Service::Cordoned | Service::Closed, _) => Service::In,
            _ => return true,
        };
        self.serve_slot(number, wanted, EventKind::Drain, actor, fx)
    }

    /// Does what earlier statements had no room for.
    pub(super) fn go_on(&mut self, fx: &mut Effects) {
        for (number, (out, actor)) in std::mem::take(&mut self.cordons) {
            if !self.cordon_now(number, out, &actor, fx) {
                self.cordons.insert(number, (out, actor));
            }
        }
        if let Some(mut resizing) = self.resizing.take() {
            for number in std::mem::take(&mut resizing.later) {
                self.fit(number, &mut resizing, fx);
            }
            while resizing.next as usize <= self.slots.len() && self.room_for_more() > 0 {
                let number = resizing.next;
                resizing.next += 1;
                self.fit(number, &mut resizing, fx);
            }
            if resizing.next as usize <= self.slots.len() || !resizing.later.is_empty() {
                self.resizing = Some(resizing);
            }
        }
        self.count_capacity();
    }

    /// Whether changes of service are left for the next statement.
    pub(super) fn is_unfinished(&self) -> bool {
        self.resizing.is_some() || !self.cordons.is_empty()
    }

    /// What is stored was read again: a change of size that is not done begins anew.
    pub(super) fn look_again(&mut self) {
        if let Some(resizing) = &mut self.resizing {
            resizing.next = 1;
            resizing.later.clear();
        }
        self.count_capacity();
    }

    /// Slots of this statement that are left for what nobody waits for.
    pub(super) fn room_for_more(&self) -> usize {
        PART.saturating_sub(self.by_itself)
    }

    /// The size that was asked for, if the pool does not have it yet, or the one that it has: the larger.
    pub(super) fn largest(&self) -> u32 {
        self.resizing.as_ref().map_or(self.in_service, |resizing| resizing.capacity.max(self.in_service))
    }

    /// Nothing is given out beyond a size that is not reached yet.
    fn count_capacity(&mut self) {
        let wanted = self.resizing.as_ref().map_or(u32::MAX, |resizing| resizing.capacity);
        self.shares.capacity = self.in_service.min(wanted);
    }

    fn fit(&mut self, number: u32, resizing: &mut Resizing, fx: &mut Effects) {
        let slot = &self.slots[number as usize - 1];
        let wanted = match (number <= resizing.capacity, slot.service, slot.claim.is_some()) {
            (true, Service::Leaving | Service::Out, _) => Service::In,
            (false, Service::In, true) => Service::Leaving,
            (false, Service::In, false) => Service::Out,
            _ => return,
        };
        if !self.serve_slot(number, wanted, EventKind::Scale, &resizing.actor, fx) {
            resizing.later.push(number);
        }
    }

    /// False if it must wait for the next statement.
    fn serve_slot(&mut self, number: u32, service: Service, kind: EventKind, actor: &str, fx: &mut Effects) -> bool {
        if self.room_for_more() == 0 || !self.written.insert(number) {
            return false;
        }
        self.by_itself += 1;
        let slot = &mut self.slots[number as usize - 1];
        self.in_service -= u32::from(slot.service == Service::In);
        self.in_service += u32::from(service == Service::In);
        slot.service = service;
        let lease = slot.claim.and_then(|claim| self.leases.get(&claim));
        fx.writes.push(Write {
            slot: number,
            expect: slot.fence,
            change: Change::Serve,
            service,
            claim: lease.map(|lease| lease.claim).unwrap_or_default(),
            tenant: lease.map(|lease| lease.tenant).unwrap_or_default(),
            priority: 0,
            holder: String::new(),
            ttl_ms: 0,
            hold_ms: None,
            held_ms: None,
            over_ms: 0,
            event: Event::new(kind, actor),
        });
        if slot.is_open() {
            self.free.insert(number);
        } else {
            self.free.remove(&number);
        }
        self.count_capacity();
        true
    }

    /// Slots whose rest is over can be claimed.
    pub(super) fn wake(&mut self, now: Millis) {
        while let Some((at, number)) = self.resting.first().copied().filter(|(at, _)| *at <= now) {
            self.resting.remove(&(at, number));
            let slot = &mut self.slots[number as usize - 1];
            slot.rests_until = None;
            if slot.is_open() {
                self.free.insert(number);
            }
        }
    }
}
