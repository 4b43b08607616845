//! `/planner/import`: a file of reservations on its way into a draft.

use super::{ChangeRow, Field, Named};

/// `/planner/import`: where a file is chosen.
#[derive(Debug, Clone)]
pub struct PlanImportModel {
    /// The pool.
    pub pool: Named,
    /// Pools to choose from.
    pub pools: Vec<Named>,
    /// The draft it goes into; empty = one's own.
    pub draft: String,
    /// What was pasted.
    pub text: Field,
    /// What is wrong with the file.
    pub file_error: Option<String>,
    /// Columns that a file may have: name, what it takes.
    pub columns: Vec<(String, String)>,
    /// Where a template is.
    pub template_href: String,
    /// An error that belongs to no field.
    pub error: Option<String>,
    /// Files that were uploaded before and are kept.
    pub held: Vec<HeldImport>,
}

/// A file that is kept.
#[derive(Debug, Clone)]
pub struct HeldImport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub file: String,
    /// `1,204 rows for Lanes · kept until 28 Nov 09:00`
    pub says: String,
    /// It was taken: what is kept is what was not.
    pub is_taken: bool,
}

/// `/planner/import/{import}`: what becomes of it.
#[derive(Debug, Clone)]
pub struct ImportStepModel {
    /// The import's id.
    pub id: String,
    /// The pool.
    pub pool: Named,
    /// The draft that it goes into: `the draft “Q4 peak”`, `a new draft`.
    pub draft: String,
    /// The file's name.
    pub file: String,
    /// `1,204 rows · kept until 28 Nov 09:00`
    pub kept: String,
    /// Why what was asked was not done.
    pub error: Option<String>,
    /// What is shown.
    pub step: ImportStep,
}

/// A step of an import.
#[derive(Debug, Clone)]
pub enum ImportStep {
    /// What its columns are.
    Columns(Vec<ImportColumn>),
    /// What is wrong with its rows.
    Check(ImportCheck),
    /// What it would do.
    Preview(ImportPreview),
    /// What it did.
    Taken(ImportTaken),
    /// Nothing can be done with it any more: why.
    Over(String),
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportColumn {
    /// Its name in the file.
    pub name: String,
    /// What it is read as; empty = it is not read.
    pub field: String,
    /// How that is known: `its name`, `a guess`, `chosen`, `not known`.
    pub known: ColumnKnown,
    /// Its cells in the first rows.
    pub sample: Vec<String>,
    /// Fields to choose from: the word, what people call it.
    pub options: Vec<(String, String)>,
}

/// How it is known what a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKnown {
    /// It has the field's name.
    Named,
    /// It looks like it.
    Guessed,
    /// Somebody said so.
    Chosen,
    /// Nobody knows.
    Not,
}

/// What is wrong with the rows of a file, and what can be done about it.
#[derive(Debug, Clone, Default)]
pub struct ImportCheck {
    /// Version of the repairs that it shows.
    pub version: i32,
    /// Rows in it.
    pub rows: i64,
    /// Rows that would be taken.
    pub ready: i64,
    /// Rows with faults.
    pub bad: i64,
    /// Rows that are left out.
    pub skipped: i64,
    /// Values that are read as others: by kind.
    pub values: Vec<ImportValues>,
    /// Faults by kind, those that many rows have first.
    pub groups: Vec<ImportGroup>,
    /// Kinds of faults that are not listed.
    pub groups_left: i64,
    /// Rows that are left out, as far as they are listed.
    pub left_out: Vec<ImportSkipped>,
    /// Cells that were corrected.
    pub corrected: i64,
    /// Nothing is taken while a row has a fault.
    pub all_or_nothing: bool,
    /// What may be chosen where there are too many values for a list at each.
    pub offered: Vec<(String, Vec<String>)>,
    /// Why nothing can be taken yet.
    pub refusal: Option<String>,
}

/// Values of a field that are not known, or are read as others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportValues {
    /// `Unknown tenant`
    pub title: String,
    /// The field: `tenant`, `zone`.
    pub field: String,
    /// Each.
    pub values: Vec<ImportValue>,
    /// Values that are not listed.
    pub left: i64,
    /// Rows with one of them that is not known.
    pub rows: i64,
    /// These rows one by one, as far as they are listed.
    pub group: Option<ImportGroup>,
}

/// A value that is not known, or is read as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportValue {
    /// As the file has it.
    pub value: String,
    /// Rows that have it; `None` = it is read as another already.
    pub rows: Option<i64>,
    /// The first of them.
    pub first: Vec<i64>,
    /// What it is read as, or would be; empty = nothing is near.
    pub by: String,
    /// What to choose from; empty = the list of the field, while typing.
    pub options: Vec<String>,
}

/// Rows with the same thing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportGroup {
    /// `End before start`
    pub title: String,
    /// Each, as far as they are listed.
    pub problems: Vec<ImportProblem>,
    /// Problems that are not listed.
    pub left: i64,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// Its number; the head is row 1.
    pub row: i64,
    /// The column; empty if it is the row as a whole.
    pub column: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What may be the matter: `letter O`.
    pub hint: String,
    /// Place of the column and the whole cell, where it can be corrected here.
    pub cell: Option<(usize, String)>,
    /// It is listed once before, with a box to leave its row out.
    pub is_again: bool,
}

/// A row that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSkipped {
    /// Its number.
    pub row: i64,
    /// Its first cells.
    pub text: String,
}

/// What a file would do.
#[derive(Debug, Clone, Default)]
pub struct ImportPreview {
    /// Reservations that it makes.
    pub creates: i64,
    /// Those that it changes.
    pub changes: i64,
    /// Rows that say what holds already.
    pub same: i64,
    /// Rows that are left out.
    pub skipped: i64,
    /// Rows with faults, which stay out.
    pub bad: i64,
    /// What it makes and changes, as far as it is listed.
    pub listed: Vec<ChangeRow>,
    /// What is not listed.
    pub left: i64,
    /// Why nothing can be taken.
    pub refusal: Option<String>,
}

/// What a file did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportTaken {
    /// Rows that went into the draft.
    pub taken: i64,
    /// Rows that did not, and are kept as a file.
    pub left: i64,
    /// Where the draft is.
    pub draft_href: String,
}
