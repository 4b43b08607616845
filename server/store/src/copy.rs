//! Rows for `COPY ... FROM STDIN (FORMAT binary)`: the quickest way to bring in rows that are known to be new.

use crate::Result;
use headroom_domain::Millis;
use sqlx::PgConnection;

/// PostgreSQL counts microseconds from here.
const EPOCH_2000_MS: Millis = 946_684_800_000;

/// Rows being built.
pub(crate) struct CopyRows {
    bytes: Vec<u8>,
    columns: i16,
    rows: usize,
}

impl CopyRows {
    /// Rows of a number of columns.
    pub(crate) fn new(columns: i16) -> Self {
        let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
        bytes.extend([0; 8]);
        Self { bytes, columns, rows: 0 }
    }

    /// Begins a row; its columns follow in order.
    pub(crate) fn row(&mut self) -> &mut Self {
        self.rows += 1;
        self.bytes.extend(self.columns.to_be_bytes());
        self
    }

    /// An `int`.
    pub(crate) fn int(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// A `bigint`.
    pub(crate) fn bigint(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// A `timestamptz`.
    pub(crate) fn instant(&mut self, at: Millis) -> &mut Self {
        self.bigint((at - EPOCH_2000_MS) * 1000)
    }

    /// A `bytea`.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend((value.len() as u32).to_be_bytes());
        self.bytes.extend(value);
        self
    }

    /// A `bytea` or null.
    pub(crate) fn optional(&mut self, value: Option<&[u8]>) -> &mut Self {
        if let Some(value) = value {
            self.bytes(value)
        } else {
            self.bytes.extend((-1_i32).to_be_bytes());
            self
        }
    }

    /// Sends the rows, if there are any, with a statement that names table and columns.
    pub(crate) async fn send(mut self, conn: &mut PgConnection, statement: &'static str) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.bytes.extend((-1_i16).to_be_bytes());
        let mut copy = conn.copy_in_raw(statement).await?;
        copy.send(self.bytes).await?;
        copy.finish().await?;
        Ok(())
    }
}
