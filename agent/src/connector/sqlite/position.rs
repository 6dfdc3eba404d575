//! Where reading of a table stands: the greatest tuple seen and the phase of the running cycle, as stored bytes.

use protocol::bytes::{Malformed, Put, Reader};
use protocol::value::Value;

use crate::connector::decode_text;
use crate::connector::watermark::Watermark;

/// A value as the engine has it: text stays bytes, so that it can be compared with again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A place in the order (update column, key).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tuple {
    pub(super) time: Option<Cell>,
    pub(super) key: Vec<Cell>,
}

/// What a cycle is doing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// Between two cycles.
    Idle,
    /// Rows whose update column is empty, no time, or ahead of the clock, by key.
    Irregular {
        at: Option<Tuple>,
        horizon: Value,
        rows: u64,
    },
    /// Rows by (update column, key), from `lower` or after `at`, up to `upper`.
    Window {
        lower: Option<Value>,
        at: Option<Tuple>,
        upper: Value,
        sweep: bool,
        rows: u64,
    },
    /// The whole table, by key.
    Full { at: Option<Tuple> },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    /// The greatest tuple that a finished window has seen.
    pub(super) high: Option<Tuple>,
    /// The source's time (seconds since 1970) from which the overlap is due again.
    pub(super) sweep_due: i64,
    /// Rows of the last window that had any.
    pub(super) last_rows: u64,
    pub(super) phase: Phase,
}

impl Position {
    /// Decides what the next cycle does.
    pub(super) fn begin_cycle(&mut self, watermark: Option<&Watermark>, clock: i64) {
        self.phase = match watermark {
            None => Phase::Full { at: None },
            Some(w) if self.high.is_none() || clock >= self.sweep_due => Phase::Irregular {
                at: None,
                horizon: w.at(clock.saturating_add(AHEAD_S)),
                rows: 0,
            },
            Some(w) => {
                // while the newest unit of time may still be written in, a row of it can come below the greatest key;
                // the unit is read again unless a bulk import makes that dear: then the next sweep finds the row
                let open = w.lag_s <= w.format.unit_s() && self.last_rows <= TAIL_ROWS_MAX;
                let tail = if open { self.high_floor(w) } else { None };
                Phase::Window {
                    at: if tail.is_some() {
                        None
                    } else {
                        self.high.clone()
                    },
                    lower: tail,
                    upper: w.at(clock - w.lag_s),
                    sweep: false,
                    rows: 0,
                }
            }
        };
    }

    /// Moves the running phase past the last row of a page.
    pub(super) fn advance(&mut self, last: Option<Tuple>, read: u64) {
        let Some(last) = last else { return };
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Irregular { at, rows, .. } | Phase::Window { at, rows, .. } => {
                *at = Some(last);
                *rows += read;
            }
            Phase::Full { at } => *at = Some(last),
        }
    }

    /// Ends the running phase; tells whether the cycle goes on with another one.
    pub(super) fn end_phase(&mut self, watermark: Option<&Watermark>, clock: i64) -> bool {
        let ended = std::mem::replace(&mut self.phase, Phase::Idle);
        match (ended, watermark) {
            (Phase::Irregular { rows, .. }, Some(w)) => {
                self.phase = Phase::Window {
                    lower: self.lower_bound(w),
                    at: None,
                    upper: w.at(clock - w.lag_s),
                    sweep: true,
                    rows,
                };
                true
            }
            (
                Phase::Window {
                    at, sweep, rows, ..
                },
                Some(w),
            ) => {
                if rows > 0 {
                    self.high = at;
                    self.last_rows = rows;
                }
                if sweep {
                    // reading again costs at most about one part in ten of the time, and never more than half the
                    // overlap passes between two readings of it
                    let pause = (rows / SWEEP_ROWS_PER_SECOND) as i64;
                    self.sweep_due = clock.saturating_add(pause.min(w.overlap_s / 2));
                }
                false
            }
            _ => false,
        }
    }

    /// The unit of time that the greatest tuple lies in.
    fn high_floor(&self, w: &Watermark) -> Option<Value> {
        let high = self.high.as_ref()?.time.as_ref()?.to_value();
        Some(w.at(w.seconds(&high)?))
    }

    /// The overlap's lower end. While it is read only now and then, it reaches back by as much more.
    fn lower_bound(&self, w: &Watermark) -> Option<Value> {
        let high = self.high.as_ref()?.time.as_ref()?.to_value();
        match w.seconds(&high) {
            Some(seconds) => Some(
                w.at(seconds
                    .saturating_sub(w.overlap_s)
                    .saturating_sub(w.overlap_s / 2)),
            ),
            // no time that we could go back from: everything from there on, itself included
            None => Some(high),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_tuple(self.high.as_ref(), &mut out);
        out.put_i64(self.sweep_due);
        out.put_u64(self.last_rows);
        match &self.phase {
            Phase::Idle => out.put_u8(0),
            Phase::Irregular { at, horizon, rows } => {
                out.put_u8(1);
                put_tuple(at.as_ref(), &mut out);
                horizon.put(&mut out);
                out.put_u64(*rows);
            }
            Phase::Window {
                lower,
                at,
                upper,
                sweep,
                rows,
            } => {
                out.put_u8(2);
                out.put_u8(u8::from(lower.is_some()));
                if let Some(lower) = lower {
                    lower.put(&mut out);
                }
                put_tuple(at.as_ref(), &mut out);
                upper.put(&mut out);
                out.put_u8(u8::from(*sweep));
                out.put_u64(*rows);
            }
            Phase::Full { at } => {
                out.put_u8(3);
                put_tuple(at.as_ref(), &mut out);
            }
        }
        out
    }

    /// Reads a stored position; empty bytes are the start.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self {
                high: None,
                sweep_due: 0,
                last_rows: 0,
                phase: Phase::Idle,
            });
        }
        let mut r = Reader::new(bytes, "source position");
        if r.u8()? != VERSION {
            return Err(r.malformed());
        }
        let high = read_tuple(&mut r)?;
        let sweep_due = r.i64()?;
        let last_rows = r.u64()?;
        let phase = match r.u8()? {
            0 => Phase::Idle,
            1 => Phase::Irregular {
                at: read_tuple(&mut r)?,
                horizon: Value::read(&mut r)?,
                rows: r.u64()?,
            },
            2 => Phase::Window {
                lower: if r.flag()? {
                    Some(Value::read(&mut r)?)
                } else {
                    None
                },
                at: read_tuple(&mut r)?,
                upper: Value::read(&mut r)?,
                sweep: r.flag()?,
                rows: r.u64()?,
            },
            3 => Phase::Full {
                at: read_tuple(&mut r)?,
            },
            _ => return Err(r.malformed()),
        };
        r.finish()?;
        Ok(Self {
            high,
            sweep_due,
            last_rows,
            phase,
        })
    }
}

impl Cell {
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(v) => Value::Integer(*v),
            Self::Real(v) => super::real(*v),
            Self::Text(bytes) => decode_text(bytes),
            Self::Blob(bytes) if bytes.is_empty() => Value::Empty,
            Self::Blob(bytes) => Value::Raw(bytes.clone()),
        }
    }
}

fn put_tuple(tuple: Option<&Tuple>, out: &mut Vec<u8>) {
    let Some(tuple) = tuple else {
        return out.put_u8(0);
    };
    out.put_u8(1);
    out.put_u8(u8::from(tuple.time.is_some()));
    out.put_u8(tuple.key.len() as u8);
    for cell in tuple.time.iter().chain(&tuple.key) {
        match cell {
            Cell::Null => out.put_u8(0),
            Cell::Integer(v) => {
                out.put_u8(1);
                out.put_i64(*v);
            }
            Cell::Real(v) => {
                out.put_u8(2);
                out.put_u64(v.to_bits());
            }
            Cell::Text(bytes) => {
                out.put_u8(3);
                out.put_long(bytes);
            }
            Cell::Blob(bytes) => {
                out.put_u8(4);
                out.put_long(bytes);
            }
        }
    }
}

fn read_tuple(r: &mut Reader<'_>) -> Result<Option<Tuple>, Malformed> {
    if !r.flag()? {
        return Ok(None);
    }
    let timed = r.flag()?;
    let keys = r.u8()?;
    let mut cell = || -> Result<Cell, Malformed> {
        Ok(match r.u8()? {
            0 => Cell::Null,
            1 => Cell::Integer(r.i64()?),
            2 => Cell::Real(f64::from_bits(r.u64()?)),
            3 => Cell::Text(r.long()?.to_vec()),
            4 => Cell::Blob(r.long()?.to_vec()),
            _ => return Err(r.malformed()),
        })
    };
    let time = if timed { Some(cell()?) } else { None };
    let key = (0..keys).map(|_| cell()).collect::<Result<_, _>>()?;
    Ok(Some(Tuple { time, key }))
}

const VERSION: u8 = 1;
/// A row further ahead of the source's clock than this is read at once, because its time may never come.
const AHEAD_S: i64 = 3600;
const TAIL_ROWS_MAX: u64 = 1_000;
const SWEEP_ROWS_PER_SECOND: u64 = 2_000;
