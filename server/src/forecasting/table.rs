//! Forecasts as a table: a row for each series and step.

use super::series::Series;
use headroom_domain::forecast::{Forecast, Question};
use std::io::Write;

/// Writes `id,step,mean,q…` with a line of names. Steps count from 1, the first after the last value.
pub fn write(question: &Question, all: &[Series], forecasts: &[Forecast], out: impl Write) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let mut names = vec!["id".to_owned(), "step".to_owned(), "mean".to_owned()];
    names.extend(question.levels().iter().map(|level| format!("q{level}")));
    writer.write_record(&names)?;
    let mut fields: Vec<String> = Vec::with_capacity(names.len());
    for (series, forecast) in all.iter().zip(forecasts) {
        for (step, mean) in forecast.mean.iter().enumerate() {
            fields.clear();
            fields.extend([series.name.clone(), (step + 1).to_string(), number(*mean)]);
            fields.extend(forecast.quantiles.iter().map(|steps| number(steps[step])));
            writer.write_record(&fields)?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// The shortest text that reads back as the same number, without hundreds of zeros.
fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-5..1e15).contains(&size) { format!("{value}") } else { format!("{value:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_back() {
        for value in [0.0, 1.0, -2.5, 0.1 + 0.2, 1e300, 1e-300, 123_456_789.125] {
            let text = number(value);
            assert!(text.len() < 25, "{text}");
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()));
        }
    }
}
