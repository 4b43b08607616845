//! A log in the Standard Workload Format, read whole: its header, its jobs, its wrong lines.

use super::lines::{Lines, ReadError};
use super::report::{LineError, LineErrors, shown};
use headroom_domain::swf::{Header, Job, Line, parse_line};

/// Most jobs or intervals one import may have: they are sorted in memory, about a gigabyte.
pub const MAX_INTERVALS: usize = 20_000_000;

/// What a log says.
#[derive(Debug, Default)]
pub struct Log {
    /// Its header.
    pub header: Header,
    /// Jobs that held slots, as they come.
    pub jobs: Vec<Job>,
    /// Lines with a job, of whatever kind.
    pub rows: u64,
    /// Jobs that never ran.
    pub skipped: u64,
    /// Lines whose job cannot be placed: they are left out and told.
    pub rejected: LineErrors,
    /// Lines that are damaged.
    pub damaged: LineErrors,
}

/// Reads a log. `progress` is told how many bytes of text have been read.
pub fn read(lines: &mut Lines, mut progress: impl FnMut(u64)) -> Result<Log, ReadError> {
    let mut log = Log::default();
    while let Some(line) = lines.next_line()? {
        let number = line.number;
        if number % 4096 == 0 {
            progress(line.end);
        }
        let Some(bytes) = line.bytes else {
            log.rows += 1;
            log.damaged.push(LineError {
                line: number,
                column: "line".into(),
                found: "more than 1048576 bytes".into(),
                expected: "18 fields separated by blanks".into(),
            });
            continue;
        };
        match parse_line(bytes) {
            Ok(Line::Blank) => {}
            Ok(Line::Comment) => log.header.read(bytes),
            Ok(Line::NeverRan(_)) => {
                log.rows += 1;
                log.skipped += 1;
            }
            Ok(Line::Job(job)) => {
                log.rows += 1;
                if log.jobs.len() == MAX_INTERVALS {
                    return Err(ReadError::Head(format!(
                        "line {number}: this is job {}, one import takes at most {MAX_INTERVALS}; split the log by time",
                        MAX_INTERVALS + 1
                    )));
                }
                log.jobs.push(job);
            }
            Err(problem) => {
                log.rows += 1;
                let list = if problem.unplaceable { &mut log.rejected } else { &mut log.damaged };
                let found = problem.found.trim_matches('"').as_bytes();
                list.push(LineError {
                    line: number,
                    column: problem.column,
                    found: shown(found),
                    expected: problem.expected,
                });
            }
        }
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn jobs_and_the_rest_are_counted_apart() {
        let text = b"; MaxProcs: 10\n\
            1 0 5 10 2 -1 -1 -1 -1 -1 1 7 1 -1 0 -1 -1 -1\n\
            2 0 5 0 2 -1 -1 -1 -1 -1 5 7 1 -1 0 -1 -1 -1\n\
            3 0 5 10 -1 -1 -1 -1 -1 -1 1 7 1 -1 0 -1 -1 -1\n\
            4 0 5 1x 2 -1 -1 -1 -1 -1 1 7 1 -1 0 -1 -1 -1\n\
            5 0 5";
        let mut lines = Lines::new(Box::new(Cursor::new(text.to_vec()))).expect("readable");
        let log = read(&mut lines, |_| ()).expect("readable");
        assert_eq!((log.rows, log.jobs.len(), log.skipped, log.rejected.total, log.damaged.total), (5, 1, 1, 1, 2));
        assert_eq!(log.rejected.shown[0].line, 4);
        assert_eq!(
            log.damaged.shown[0].to_string(),
            "line 5, run time (field 4): found \"1x\", expected a number, -1 for unknown"
        );
        assert_eq!(
            log.damaged.shown[1].to_string(),
            "line 6, line: found \"3 fields\", expected 18 fields separated by blanks"
        );
        assert_eq!(log.header.max_procs, Some(10));
    }
}
