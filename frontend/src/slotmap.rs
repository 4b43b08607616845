//! Where each slot lies on the map: arithmetic without a canvas, the same for the server's drawing and the browser's.

/// State of a slot, as one character of a map's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// Can be claimed.
    Free,
    /// Leased and renewed.
    Occupied,
    /// Past its time, and its holder is gone.
    Leaked,
    /// Being taken away or given back.
    Draining,
    /// Down or taken out.
    Offline,
    /// Occupied, and its work is far slower than its peers'.
    Hot,
}

impl SlotState {
    /// All, in the order legends list them.
    pub const ALL: [Self; 6] = [Self::Occupied, Self::Hot, Self::Leaked, Self::Draining, Self::Offline, Self::Free];

    /// Reads the character of a map's text; what is unknown counts as offline, never as free.
    pub fn from_char(state: char) -> Self {
        match state {
            '.' => Self::Free,
            'o' => Self::Occupied,
            'l' => Self::Leaked,
            'd' => Self::Draining,
            'h' => Self::Hot,
            _ => Self::Offline,
        }
    }

    /// The word in addresses.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Occupied => "occupied",
            Self::Leaked => "leaked",
            Self::Draining => "draining",
            Self::Offline => "offline",
            Self::Hot => "hot",
        }
    }

    /// Reads the word of an address.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.slug() == word)
    }

    /// The word in legends and tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Free => "Free",
            Self::Occupied => "Occupied",
            Self::Leaked => "Leaked",
            Self::Draining => "Draining",
            Self::Offline => "Offline",
            Self::Hot => "Hot",
        }
    }

    /// Neither free nor simply occupied: somebody may have to look.
    pub fn is_anomaly(self) -> bool {
        !matches!(self, Self::Free | Self::Occupied)
    }

    /// Somebody holds it.
    pub fn is_used(self) -> bool {
        matches!(self, Self::Occupied | Self::Hot | Self::Leaked | Self::Draining)
    }

    /// Which of several anomalies a box of many slots shows: the higher, the more it matters.
    pub fn weight(self) -> u8 {
        match self {
            Self::Leaked => 4,
            Self::Hot => 3,
            Self::Draining => 2,
            Self::Offline => 1,
            Self::Free | Self::Occupied => 0,
        }
    }
}

/// The states of a map's text, slot 1 first.
pub fn read(states: &str) -> Vec<SlotState> {
    states.chars().map(SlotState::from_char).collect()
}

/// How many slots are in each state, in the order of [`SlotState::ALL`].
pub fn counts(states: &[SlotState]) -> [i64; 6] {
    let mut counts = [0; 6];
    for state in states {
        for (count, other) in counts.iter_mut().zip(SlotState::ALL) {
            *count += i64::from(other == *state);
        }
    }
    counts
}

/// Smallest pitch at which a box is still a box.
const MIN_PITCH: u32 = 5;
/// Larger boxes say nothing more.
const MAX_PITCH: u32 = 32;
/// Slots that one box may stand for. Beyond the last the boxes get smaller instead.
const BUNDLES: [usize; 7] = [1, 2, 5, 10, 20, 50, 100];
/// Anomalies are at least this large, so that one in 20,000 is seen.
pub const MIN_MARK: u32 = 7;

/// A map's layout: boxes of equal size, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Slots on the map.
    pub slots: usize,
    /// Slots per box.
    pub bundle: usize,
    /// Distance from one box to the next, pixels.
    pub pitch: u32,
    /// Boxes per row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// What a box shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Fill, number and mark.
    Numbered,
    /// Fill, and a mark on anomalies.
    Marked,
    /// Fill and notch.
    Plain,
    /// Many slots: filled from the bottom by the part in use.
    Bundled,
}

impl Layout {
    /// Fits all slots into an area: the fewest slots per box that still give boxes of 5 pixels.
    pub fn fit(slots: usize, width: u32, height: u32) -> Self {
        let (width, height) = (width.max(MIN_PITCH), height.max(MIN_PITCH));
        for bundle in BUNDLES {
            if let Some(layout) = Self::with_bundle(slots, bundle, width, height, MIN_PITCH) {
                return layout;
            }
        }
        let last = BUNDLES[BUNDLES.len() - 1];
        Self::with_bundle(slots, last, width, height, 1).unwrap_or(Self {
            slots,
            bundle: slots.max(1),
            pitch: MIN_PITCH,
            columns: 1,
            rows: 1,
        })
    }

    /// Boxes of one bundle, as large as the area lets them be.
    fn with_bundle(slots: usize, bundle: usize, width: u32, height: u32, least: u32) -> Option<Self> {
        let boxes = slots.div_ceil(bundle).max(1);
        let ideal = (f64::from(width) * f64::from(height) / boxes as f64).sqrt().floor() as u32;
        let mut pitch = ideal.min(MAX_PITCH).min(width);
        // Rows and columns are whole, so the ideal may be a pixel or two too large.
        while pitch >= least.max(1) {
            let columns = ((width / pitch) as usize).min(boxes);
            let rows = boxes.div_ceil(columns);
            if rows * pitch as usize <= height as usize {
                return Some(Self { slots, bundle, pitch, columns, rows });
            }
            pitch -= 1;
        }
        None
    }

    /// A grid of at most `most` boxes in so many columns, for a drawing that is scaled afterwards.
    pub fn coarse(slots: usize, most: usize, columns: usize, pitch: u32) -> Self {
        let least = slots.div_ceil(most.max(1)).max(1);
        let mut bundle = 1;
        let mut steps = [2, 5, 10].into_iter().cycle();
        let mut decade = 1;
        while bundle < least {
            let step = steps.next().unwrap_or(10);
            bundle = decade * step;
            if step == 10 {
                decade *= 10;
            }
        }
        let boxes = slots.div_ceil(bundle).max(1);
        let columns = columns.clamp(1, boxes);
        Self { slots, bundle, pitch, columns, rows: boxes.div_ceil(columns) }
    }

    /// How many boxes there are.
    pub fn boxes(&self) -> usize {
        self.slots.div_ceil(self.bundle)
    }

    /// What each box shows.
    pub fn detail(&self) -> Detail {
        match (self.bundle, self.pitch) {
            (2.., _) => Detail::Bundled,
            (_, 18..) => Detail::Numbered,
            (_, 8..) => Detail::Marked,
            _ => Detail::Plain,
        }
    }

    /// The box that holds a slot, both from 0.
    pub fn box_of(&self, slot: usize) -> usize {
        slot / self.bundle
    }

    /// The slots of a box, from 0.
    pub fn slots_of(&self, index: usize) -> std::ops::Range<usize> {
        let first = (index * self.bundle).min(self.slots);
        first..(first + self.bundle).min(self.slots)
    }

    /// Upper left corner of a box, pixels.
    pub fn corner(&self, index: usize) -> (u32, u32) {
        ((index % self.columns) as u32 * self.pitch, (index / self.columns) as u32 * self.pitch)
    }

    /// The box at a place, if there is one.
    pub fn at(&self, x: f64, y: f64) -> Option<usize> {
        if x < 0.0 || y < 0.0 {
            return None;
        }
        let (column, row) = ((x / f64::from(self.pitch)) as usize, (y / f64::from(self.pitch)) as usize);
        let index = row * self.columns + column;
        (column < self.columns && index < self.boxes()).then_some(index)
    }

    /// Side of an anomaly's mark.
    pub fn mark(&self) -> u32 {
        self.pitch.saturating_sub(1).max(MIN_MARK)
    }

    /// The boxes that a change of one box may have painted over: marks are larger than small boxes.
    pub fn around(&self, index: usize) -> Vec<usize> {
        let reach = usize::from(self.mark() >= self.pitch);
        let (column, row) = (index % self.columns, index / self.columns);
        let columns = column.saturating_sub(reach)..=(column + reach).min(self.columns - 1);
        let rows = row.saturating_sub(reach)..=(row + reach).min(self.rows - 1);
        rows.flat_map(|row| columns.clone().map(move |column| row * self.columns + column))
            .filter(|index| *index < self.boxes())
            .collect()
    }

    /// Where a key leads from a box; `None` if the key does not move.
    pub fn step(&self, from: usize, key: &str) -> Option<usize> {
        let last = self.boxes().checked_sub(1)?;
        let row_start = from / self.columns * self.columns;
        let down = |rows: usize| {
            let to = from + rows * self.columns;
            // Past the end the column stays: the lowest box of it.
            if to <= last { to } else { from + (last - from) / self.columns * self.columns }
        };
        let up = |rows: usize| from - (from / self.columns).min(rows) * self.columns;
        Some(match key {
            "ArrowLeft" => from.saturating_sub(1),
            "ArrowRight" => (from + 1).min(last),
            "ArrowUp" => up(1),
            "ArrowDown" => down(1),
            "PageUp" => up(10),
            "PageDown" => down(10),
            "Home" => row_start,
            "End" => (row_start + self.columns - 1).min(last),
            _ => return None,
        })
    }
}

/// The next unusual slot after one (or before it), round the end; both from 0.
pub fn next_anomaly(states: &[SlotState], from: usize, forward: bool) -> Option<usize> {
    let count = states.len();
    (1..=count)
        .map(|step| if forward { (from + step) % count } else { (from + count - step) % count })
        .find(|slot| states[*slot].is_anomaly())
}

/// What a box of slots shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its anomaly that matters most, or else its state if all its slots share one.
    pub state: SlotState,
    /// How many of its slots are in use.
    pub used: usize,
    /// How many slots it stands for.
    pub slots: usize,
}

/// Sums up the slots of a box.
pub fn shown(states: &[SlotState]) -> Shown {
    let used = states.iter().filter(|state| state.is_used()).count();
    let worst = states.iter().copied().max_by_key(|state| state.weight()).filter(|state| state.is_anomaly());
    let plain = if used > 0 { SlotState::Occupied } else { SlotState::Free };
    Shown { state: worst.unwrap_or(plain), used, slots: states.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_thousand_slots_fit_a_desktop_and_a_phone() {
        let desktop = Layout::fit(20_000, 735, 300);
        assert_eq!((desktop.bundle, desktop.pitch, desktop.detail()), (5, 7, Detail::Bundled));
        let phone = Layout::fit(20_000, 326, 300);
        assert_eq!(phone.bundle, 10);
        for layout in [desktop, phone] {
            assert!(layout.pitch >= MIN_PITCH && layout.mark() >= MIN_MARK);
            assert!(layout.columns * layout.rows >= layout.boxes());
        }
    }

    #[test]
    fn everything_fits_into_every_area() {
        for slots in [0, 1, 7, 60, 399, 400, 401, 1_200, 20_000, 48_201, 100_000] {
            for (width, height) in [(280, 200), (326, 300), (735, 300), (1_100, 420)] {
                let layout = Layout::fit(slots, width, height);
                assert!(layout.columns * layout.pitch as usize <= width as usize, "{slots} {width} {layout:?}");
                assert!(layout.rows * layout.pitch as usize <= height as usize, "{slots} {height} {layout:?}");
                assert!(layout.columns * layout.rows >= layout.boxes(), "{slots} {layout:?}");
                assert!(layout.boxes() * layout.bundle >= slots, "{slots} {layout:?}");
            }
        }
    }

    #[test]
    fn few_slots_are_large_and_numbered() {
        let layout = Layout::fit(60, 735, 120);
        assert_eq!((layout.bundle, layout.detail()), (1, Detail::Numbered));
        assert_eq!(Layout::fit(1_200, 735, 300).detail(), Detail::Marked);
    }

    #[test]
    fn the_drawing_without_scripts_has_at_most_400_boxes() {
        for (slots, bundle) in [(0, 1), (400, 1), (401, 2), (1_200, 5), (20_000, 50), (48_200, 200), (100_000, 500)] {
            let layout = Layout::coarse(slots, 400, 25, 12);
            assert_eq!(layout.bundle, bundle, "{slots}");
            assert!(layout.boxes() <= 400, "{slots}");
        }
    }

    #[test]
    fn a_slot_is_found_where_it_was_drawn() {
        let layout = Layout::fit(20_000, 735, 300);
        for slot in [0, 4, 5, 4_710, 19_999] {
            let index = layout.box_of(slot);
            let (x, y) = layout.corner(index);
            assert_eq!(layout.at(f64::from(x) + 1.0, f64::from(y) + 1.0), Some(index));
            assert!(layout.slots_of(index).contains(&slot));
        }
        assert_eq!(layout.at(-1.0, 0.0), None);
        assert_eq!(layout.at(f64::from(layout.columns as u32 * layout.pitch), 0.0), None);
    }

    #[test]
    fn keys_stay_on_the_map() {
        let layout = Layout { slots: 23, bundle: 1, pitch: 10, columns: 5, rows: 5 };
        let step = |from, key| layout.step(from, key);
        assert_eq!(step(0, "ArrowLeft"), Some(0));
        assert_eq!(step(22, "ArrowRight"), Some(22));
        assert_eq!(step(7, "Home"), Some(5));
        assert_eq!(step(7, "End"), Some(9));
        assert_eq!(step(21, "End"), Some(22));
        assert_eq!(step(3, "ArrowUp"), Some(3));
        assert_eq!(step(3, "PageDown"), Some(18), "the last row has no fourth box");
        assert_eq!(step(2, "PageDown"), Some(22));
        assert_eq!(step(22, "PageUp"), Some(2));
        assert_eq!(step(0, "x"), None);
        assert_eq!(Layout { slots: 0, ..layout }.step(0, "Home"), None);
    }

    #[test]
    fn anomalies_are_walked_round_the_end() {
        let states = read("oo.l.ohx.");
        assert_eq!(next_anomaly(&states, 0, true), Some(3));
        assert_eq!(next_anomaly(&states, 3, true), Some(6));
        assert_eq!(next_anomaly(&states, 7, true), Some(3));
        assert_eq!(next_anomaly(&states, 3, false), Some(7));
        assert_eq!(next_anomaly(&read("o..o"), 0, true), None);
        assert_eq!(next_anomaly(&read("..l"), 2, true), Some(2));
        assert_eq!(next_anomaly(&[], 0, true), None);
    }

    #[test]
    fn a_box_shows_what_matters_most() {
        assert_eq!(shown(&read("oodlx")).state, SlotState::Leaked);
        assert_eq!(shown(&read("oo..")), Shown { state: SlotState::Occupied, used: 2, slots: 4 });
        assert_eq!(shown(&read("....")).state, SlotState::Free);
        assert_eq!(shown(&read("?")).state, SlotState::Offline, "the unknown is not free");
    }

    #[test]
    fn counts_follow_the_legend() {
        assert_eq!(counts(&read("oo.dlxh.")), [2, 1, 1, 1, 1, 2]);
        for state in SlotState::ALL {
            assert_eq!(SlotState::parse(state.slug()), Some(state));
        }
    }

    #[test]
    fn marks_of_small_boxes_reach_their_neighbours() {
        let small = Layout { slots: 100, bundle: 1, pitch: 5, columns: 10, rows: 10 };
        assert_eq!(small.around(0), [0, 1, 10, 11]);
        assert_eq!(small.around(55).len(), 9);
        let large = Layout { pitch: 20, ..small };
        assert_eq!(large.around(55), [55]);
    }
}
