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
/// What a slot has to say has room in a box of this size.
const CLOSEST_PITCH: u32 = 96;
/// The closest look.
const MOST_ZOOM: f64 = 16.0;
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
        Self::fit_up_to(slots, width, height, MAX_PITCH)
    }

    /// The same with boxes up to so many pixels.
    fn fit_up_to(slots: usize, width: u32, height: u32, largest: u32) -> Self {
        let (width, height) = (width.max(MIN_PITCH), height.max(MIN_PITCH));
        for bundle in BUNDLES {
            if let Some(layout) = Self::with_bundle(slots, bundle, width, height, MIN_PITCH..=largest) {
                return layout;
            }
        }
        let last = BUNDLES[BUNDLES.len() - 1];
        Self::with_bundle(slots, last, width, height, 1..=largest).unwrap_or(Self {
            slots,
            bundle: slots.max(1),
            pitch: MIN_PITCH,
            columns: 1,
            rows: 1,
        })
    }

    /// A layout of boxes already counted.
    fn of_boxes(pitch: u32, columns: usize, rows: usize) -> Self {
        Self { slots: columns * rows, bundle: 1, pitch, columns, rows }
    }

    /// Boxes of one bundle, as large as the area lets them be.
    fn with_bundle(
        slots: usize,
        bundle: usize,
        width: u32,
        height: u32,
        sides: std::ops::RangeInclusive<u32>,
    ) -> Option<Self> {
        let boxes = slots.div_ceil(bundle).max(1);
        let ideal = (f64::from(width) * f64::from(height) / boxes as f64).sqrt().floor() as u32;
        let mut pitch = ideal.min(*sides.end()).min(width);
        // Rows and columns are whole, so the ideal may be a pixel or two too large.
        while pitch >= (*sides.start()).max(1) {
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

/// Height of the line in which a group's name stands, pixels.
const HEAD_PX: u32 = 18;
/// Most groups of a map.
pub const MOST_GROUPS: usize = 24;

/// Boxes on a grid: slots in their order, or group by group, each group under a line for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Slots per box.
    pub bundle: usize,
    /// Where boxes lie; places without slots are among them.
    places: Layout,
    /// Slots in the order shown.
    order: Vec<usize>,
    /// By place: which part of the order lies there.
    cells: Vec<(usize, usize)>,
    /// By slot: its place.
    of_slot: Vec<usize>,
    /// Rows in which a group's name stands, with the group.
    heads: Vec<(usize, usize)>,
}

impl Grid {
    /// Fits all slots into an area. `groups` has the group of each slot, from 0; without it there is one group without a name.
    pub fn fit(slots: usize, groups: &[u8], width: u32, height: u32) -> Self {
        Self::fit_up_to(slots, groups, width, height, MAX_PITCH)
    }

    /// The same, looked at from closer: the area is so many times as wide and as high, and so are the largest boxes. Otherwise
    /// the few boxes of a small pool would not grow, but run away in one long row.
    pub fn closer(slots: usize, groups: &[u8], (width, height): (u32, u32), zoom: f64) -> Self {
        let zoomed = |length: u32| (f64::from(length) * zoom) as u32;
        Self::fit_up_to(slots, groups, zoomed(width), zoomed(height), zoomed(MAX_PITCH))
    }

    /// How much closer a map can be looked at: until its boxes are large enough for everything they have to say.
    pub fn most_zoom(slots: usize, groups: &[u8], (width, height): (u32, u32)) -> f64 {
        let whole = Self::fit(slots, groups, width, height);
        let apart = whole.bundle as f64;
        (f64::from(CLOSEST_PITCH) / f64::from(whole.pitch()) * apart.sqrt()).clamp(1.0, MOST_ZOOM)
    }

    fn fit_up_to(slots: usize, groups: &[u8], width: u32, height: u32, largest: u32) -> Self {
        let alone = Layout::fit_up_to(slots, width, height, largest);
        if groups.is_empty() {
            return Self::build(slots, groups, alone.bundle, alone.pitch, alone.columns);
        }
        // Names and half-filled rows take room, so boxes are smaller, or stand for more slots, than without groups.
        let (width, height) = (width.max(MIN_PITCH), height.max(MIN_PITCH));
        let sizes = sizes(slots, groups);
        for bundle in BUNDLES.into_iter().filter(|bundle| *bundle >= alone.bundle) {
            for pitch in (MIN_PITCH..=alone.pitch.max(MIN_PITCH)).rev() {
                let columns = (width / pitch).max(1) as usize;
                if rows_of(&sizes, bundle, pitch, columns) * pitch as usize <= height as usize {
                    return Self::build(slots, groups, bundle, pitch, columns);
                }
            }
        }
        // More than the area holds: the map is moved about in.
        let last = BUNDLES[BUNDLES.len() - 1];
        Self::build(slots, groups, last, MIN_PITCH, (width / MIN_PITCH) as usize)
    }

    /// A grid of at most about `most` boxes, for a drawing that is scaled afterwards.
    pub fn coarse(slots: usize, groups: &[u8], most: usize, columns: usize, pitch: u32) -> Self {
        let layout = Layout::coarse(slots, most, columns, pitch);
        Self::build(slots, groups, layout.bundle, pitch, if groups.is_empty() { layout.columns } else { columns })
    }

    fn build(slots: usize, groups: &[u8], bundle: usize, pitch: u32, columns: usize) -> Self {
        let (bundle, columns) = (bundle.max(1), columns.max(1));
        let mut order: Vec<usize> = (0..slots).collect();
        let group_of = |slot: usize| groups.get(slot).copied().unwrap_or_default();
        order.sort_by_key(|slot| group_of(*slot));
        let mut grid = Self {
            bundle,
            places: Layout::of_boxes(pitch, columns, 0),
            cells: Vec::new(),
            of_slot: vec![0; slots],
            heads: Vec::new(),
            order,
        };
        let mut from = 0;
        for (group, size) in sizes(slots, groups).into_iter().enumerate().filter(|(_, size)| *size > 0) {
            if !groups.is_empty() {
                grid.heads.push((grid.cells.len() / columns, group));
                let blank = head_rows(pitch) * columns;
                grid.cells.resize(grid.cells.len() + blank, (from, from));
            }
            let end = from + size;
            while from < end {
                let to = (from + bundle).min(end);
                for slot in &grid.order[from..to] {
                    grid.of_slot[*slot] = grid.cells.len();
                }
                grid.cells.push((from, to));
                from = to;
            }
            let whole = grid.cells.len().div_ceil(columns) * columns;
            grid.cells.resize(whole, (from, from));
        }
        grid.places = Layout::of_boxes(pitch, columns, grid.cells.len() / columns);
        grid
    }

    /// How many places there are; some have no slots.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// There is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Distance from one box to the next, pixels.
    pub fn pitch(&self) -> u32 {
        self.places.pitch
    }

    /// Boxes per row.
    pub fn columns(&self) -> usize {
        self.places.columns
    }

    /// Rows, those of names among them.
    pub fn rows(&self) -> usize {
        self.places.rows
    }

    /// Side of an anomaly's mark.
    pub fn mark(&self) -> u32 {
        self.places.mark()
    }

    /// What each box shows.
    pub fn detail(&self) -> Detail {
        Layout { bundle: self.bundle, ..self.places }.detail()
    }

    /// The names of groups: where the line of each ends, pixels from the top, and the group.
    pub fn heads(&self) -> impl Iterator<Item = (u32, usize)> {
        let pitch = self.pitch();
        self.heads.iter().map(move |(row, group)| ((row + head_rows(pitch)) as u32 * pitch, *group))
    }

    /// Upper left corner of a place, pixels.
    pub fn corner(&self, place: usize) -> (u32, u32) {
        self.places.corner(place)
    }

    /// The slots of a place, from 0.
    pub fn slots_of(&self, place: usize) -> &[usize] {
        self.cells.get(place).map_or(&[], |(from, to)| &self.order[*from..*to])
    }

    /// The place of a slot, both from 0.
    pub fn place_of(&self, slot: usize) -> usize {
        self.of_slot.get(slot).copied().unwrap_or_default()
    }

    /// The place with slots at a point, if there is one.
    pub fn at(&self, x: f64, y: f64) -> Option<usize> {
        self.places.at(x, y).filter(|place| !self.slots_of(*place).is_empty())
    }

    /// The places that a change of one may have painted over.
    pub fn around(&self, place: usize) -> Vec<usize> {
        self.places.around(place)
    }

    /// All slots from one to another in the order shown, both ends included.
    pub fn between(&self, one: usize, other: usize) -> Vec<usize> {
        let ends = [one, other].map(|slot| self.cells.get(self.place_of(slot)).copied().unwrap_or_default());
        let (from, to) = (ends[0].0.min(ends[1].0), ends[0].1.max(ends[1].1));
        let mut slots = self.order.get(from..to).unwrap_or_default().to_vec();
        slots.sort_unstable();
        slots
    }

    /// Where a key leads from a place; `None` if the key does not move.
    pub fn step(&self, from: usize, key: &str) -> Option<usize> {
        let to = self.places.step(from, key)?;
        let has_slots = |place: &usize| !self.slots_of(*place).is_empty();
        let columns = self.places.columns;
        let row_start = to / columns * columns;
        let found = match key {
            "ArrowLeft" => (0..=to).rev().find(has_slots),
            "ArrowRight" => (to..self.len()).find(has_slots),
            "End" => (row_start..=to).rev().find(has_slots),
            "ArrowUp" | "PageUp" => (0..=to).rev().step_by(columns).find(has_slots),
            _ => (to..self.len()).step_by(columns).find(has_slots),
        };
        Some(found.unwrap_or(from))
    }
}

/// Slots by group.
fn sizes(slots: usize, groups: &[u8]) -> Vec<usize> {
    if groups.is_empty() {
        return vec![slots];
    }
    let mut sizes = vec![0; MOST_GROUPS + 1];
    for slot in 0..slots {
        sizes[usize::from(groups.get(slot).copied().unwrap_or_default()).min(MOST_GROUPS)] += 1;
    }
    sizes
}

fn head_rows(pitch: u32) -> usize {
    HEAD_PX.div_ceil(pitch.max(1)) as usize
}

fn rows_of(sizes: &[usize], bundle: usize, pitch: u32, columns: usize) -> usize {
    let filled = sizes.iter().filter(|size| **size > 0);
    filled.map(|size| head_rows(pitch) + size.div_ceil(bundle).div_ceil(columns)).sum()
}

/// The groups of a map's text: a letter per slot, `A` for the first group.
pub fn read_groups(text: &str) -> Vec<u8> {
    text.bytes().map(|letter| letter.saturating_sub(b'A').min(MOST_GROUPS as u8)).collect()
}

/// Slots from 0 as people and forms write them, from 1: `4711, 9000-9040`.
pub fn ranges(slots: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = slots;
    while let Some((first, _)) = rest.split_first() {
        let length = rest.iter().zip(*first..).take_while(|(slot, expected)| **slot == *expected).count();
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&(first + 1).to_string());
        if length > 1 {
            text.push('-');
            text.push_str(&(first + length).to_string());
        }
        rest = &rest[length..];
    }
    text
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
pub fn shown(states: impl IntoIterator<Item = SlotState>) -> Shown {
    let (mut used, mut slots, mut worst) = (0, 0, SlotState::Free);
    for state in states {
        used += usize::from(state.is_used());
        slots += 1;
        if state.weight() > worst.weight() {
            worst = state;
        }
    }
    let plain = if used > 0 { SlotState::Occupied } else { SlotState::Free };
    Shown { state: if worst.is_anomaly() { worst } else { plain }, used, slots }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closer_look_makes_boxes_larger_and_keeps_their_order() {
        for slots in [12, 40, 60, 300] {
            let whole = Grid::fit(slots, &[], 1_100, 420);
            let most = Grid::most_zoom(slots, &[], (1_100, 420));
            assert!(most > 1.0 && most <= MOST_ZOOM, "{slots} slots: {most}");
            let near = Grid::closer(slots, &[], (1_100, 420), 2.0);
            assert_eq!((near.pitch(), near.columns()), (2 * whole.pitch(), whole.columns()), "{slots} slots");
        }
        // Bundles come apart when they are looked at closely.
        let most = Grid::most_zoom(20_000, &[], (326, 300));
        assert_eq!(Grid::closer(20_000, &[], (326, 300), most).bundle, 1);
    }

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
        assert_eq!(shown(read("oodlx")).state, SlotState::Leaked);
        assert_eq!(shown(read("oo..")), Shown { state: SlotState::Occupied, used: 2, slots: 4 });
        assert_eq!(shown(read("....")).state, SlotState::Free);
        assert_eq!(shown(read("?")).state, SlotState::Offline, "the unknown is not free");
    }

    #[test]
    fn groups_stand_apart_and_lose_no_slot() {
        let groups = read_groups(&"AABBBC".repeat(200));
        for (width, height) in [(735, 300), (326, 300), (280, 60)] {
            let grid = Grid::fit(1_200, &groups, width, height);
            let shown: usize = (0..grid.len()).map(|place| grid.slots_of(place).len()).sum();
            assert_eq!(shown, 1_200);
            assert_eq!(grid.heads().count(), 3);
            for slot in [0, 4, 1_199] {
                let place = grid.place_of(slot);
                assert!(grid.slots_of(place).contains(&slot));
                assert!(
                    grid.slots_of(place).iter().all(|other| groups[*other] == groups[slot]),
                    "boxes are of one group"
                );
            }
        }
        let grid = Grid::fit(1_200, &groups, 735, 300);
        assert!(grid.rows() * grid.pitch() as usize <= 300);
        assert_eq!(Grid::fit(1_200, &[], 735, 300).detail(), Layout::fit(1_200, 735, 300).detail());
    }

    #[test]
    fn keys_pass_over_names_of_groups() {
        let grid = Grid::build(7, &read_groups("AAABBBB"), 1, 18, 5);
        // Row 0 is a name, row 1 three boxes, row 2 a name, row 3 four boxes.
        assert_eq!(grid.rows(), 4);
        assert_eq!(grid.heads().collect::<Vec<_>>(), [(18, 0), (54, 1)]);
        assert_eq!(grid.step(5, "ArrowUp"), Some(5), "there is nothing above");
        assert_eq!(grid.step(7, "ArrowRight"), Some(15));
        assert_eq!(grid.step(15, "ArrowLeft"), Some(7));
        assert_eq!(grid.step(6, "ArrowDown"), Some(16));
        assert_eq!(grid.step(16, "PageUp"), Some(16), "the top is a name");
        assert_eq!(grid.step(15, "End"), Some(18));
        assert_eq!(grid.step(0, "x"), None);
        assert_eq!(grid.between(1, 4), [1, 2, 3, 4]);
    }

    #[test]
    fn ranges_are_written_as_forms_read_them() {
        assert_eq!(ranges(&[0, 1, 2, 6, 8, 9]), "1-3, 7, 9-10");
        assert_eq!(ranges(&[]), "");
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
