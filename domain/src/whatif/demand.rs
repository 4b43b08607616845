//! Demand by the minute.

use crate::occupancy::Sums;
use crate::{MINUTE_MS, Millis};

/// Demand that is not known.
pub const UNKNOWN: u32 = u32::MAX;
/// The most that a tenant can want; more counts as so much.
pub const MOST_WANTED: u32 = 1_000_000_000;

/// A step series of one tenant: from which minute of the grid on, and how many slots; `None` is not known.
pub type Steps = Vec<(u32, Option<u32>)>;

/// Slots that tenants of one pool wanted, minute by minute. Only minutes in which something changes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    start_ms: Millis,
    minutes: u32,
    tenants: Vec<i32>,
    /// The minutes in which rows begin, ascending, the first 0.
    starts: Vec<u32>,
    /// Rows, one after the other, each with one number for every tenant.
    rows: Vec<u32>,
}

impl Demand {
    /// From a number for every tenant, minute after minute, [`UNKNOWN`] included. Each tenant once.
    ///
    /// # Panics
    /// If `wanted` is not a whole number of minutes, or of none of the tenants.
    pub fn of_minutes(start_ms: Millis, tenants: Vec<i32>, mut wanted: Vec<u32>) -> Self {
        let width = tenants.len();
        if width == 0 {
            assert!(wanted.is_empty(), "demand of nobody");
            return Self { start_ms, minutes: 0, tenants, starts: Vec::new(), rows: wanted };
        }
        assert_eq!(wanted.len() % width, 0, "each minute has a number for each tenant");
        for slots in &mut wanted {
            if *slots != UNKNOWN {
                *slots = (*slots).min(MOST_WANTED);
            }
        }
        let minutes = (wanted.len() / width) as u32;
        let mut starts = Vec::new();
        let mut kept = 0;
        for minute in 0..minutes as usize {
            let row = minute * width..(minute + 1) * width;
            if kept > 0 && wanted[row.clone()] == wanted[(kept - 1) * width..kept * width] {
                continue;
            }
            wanted.copy_within(row, kept * width);
            starts.push(minute as u32);
            kept += 1;
        }
        wanted.truncate(kept * width);
        wanted.shrink_to_fit();
        Self { start_ms, minutes, tenants, starts, rows: wanted }
    }

    /// From step series, which need not be in order; of two at one minute the later in the list holds. Before its first step a
    /// tenant's demand is not known. Steps from `minutes` on are left out. Each tenant once.
    pub fn of_steps(start_ms: Millis, minutes: u32, series: Vec<(i32, Steps)>) -> Self {
        let width = series.len();
        let mut steps: Vec<(u32, usize, u32)> = Vec::with_capacity(series.iter().map(|(_, steps)| steps.len()).sum());
        let mut tenants = Vec::with_capacity(width);
        for (column, (tenant, own)) in series.into_iter().enumerate() {
            tenants.push(tenant);
            let known = |slots: u32| slots.min(MOST_WANTED);
            let within = own.into_iter().filter(|(minute, _)| *minute < minutes);
            steps.extend(within.map(|(minute, slots)| (minute, column, slots.map_or(UNKNOWN, known))));
        }
        // Stable, so that of two at one minute the later stays the later.
        steps.sort_by_key(|(minute, ..)| *minute);
        let mut row = vec![UNKNOWN; width];
        let (mut starts, mut rows): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut at = 0;
        for together in steps.chunk_by(|one, next| one.0 == next.0) {
            let minute = together[0].0;
            if minute > at && starts.is_empty() {
                starts.push(at);
                rows.extend(&row);
            }
            at = minute;
            for (_, column, slots) in together {
                row[*column] = *slots;
            }
            if starts.is_empty() || rows[rows.len() - width..] != row {
                starts.push(at);
                rows.extend(&row);
            }
        }
        if starts.is_empty() && width > 0 && minutes > 0 {
            starts.push(0);
            rows.extend(&row);
        }
        Self { start_ms, minutes, tenants, starts, rows }
    }

    /// Its first instant.
    pub fn start_ms(&self) -> Millis {
        self.start_ms
    }

    /// The first instant after it.
    pub fn end_ms(&self) -> Millis {
        self.start_ms + i64::from(self.minutes) * MINUTE_MS
    }

    /// Its length.
    pub fn minutes(&self) -> u32 {
        self.minutes
    }

    /// The tenants, in the order of the numbers of a minute.
    pub fn tenants(&self) -> &[i32] {
        &self.tenants
    }

    /// Rows that are kept: minutes in which something changes.
    pub fn changes(&self) -> usize {
        self.starts.len()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        (self.rows.len() + self.starts.len() + self.tenants.len()) * size_of::<u32>()
    }

    /// The minutes in which rows begin.
    pub(super) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// A row.
    pub(super) fn row(&self, row: usize) -> &[u32] {
        let width = self.tenants.len();
        &self.rows[row * width..(row + 1) * width]
    }

    /// All numbers that are kept, to measure how fast they can be read at all.
    pub fn numbers(&self) -> &[u32] {
        &self.rows
    }

    /// What the tenants wanted in a minute; nothing is known outside.
    pub fn at(&self, minute: u32) -> Option<&[u32]> {
        let row = self.starts.partition_point(|start| *start <= minute).checked_sub(1)?;
        (minute < self.minutes).then(|| self.row(row))
    }
}

/// Slots wanted in a minute of history: those held and those waited for, on average over the time observed (rounded half up),
/// and one for every claim that was rejected in it; `None` if the minute was not observed.
///
/// The average and not the greatest number, because the peaks of tenants fall at different instants: their sum would be more
/// than the pool ever held.
pub fn wanted(minute: &Sums) -> Option<u32> {
    if minute.observed_ms <= 0 {
        return None;
    }
    let observed = i128::from(minute.observed_ms);
    let slot_ms = i128::from(minute.occupied_slot_ms.max(0)) + i128::from(minute.queue_ms.max(0));
    let slots = (slot_ms + observed / 2) / observed + i128::from(minute.rejections.max(0));
    Some(u32::try_from(slots).unwrap_or(MOST_WANTED).min(MOST_WANTED))
}
