//! The options of the original example, as `--name value` or `--name=value`.

pub struct Arguments {
    pub query: String,
    pub temperature: f64,
    pub max_tokens: u64,
}

impl Arguments {
    /// Exits with status 2, as the original does, on anything else.
    pub fn parse(words: impl Iterator<Item = String>) -> Self {
        let mut found = Arguments {
            query: "Solve this step by step: If x + 5 = 12, what is x?".into(),
            temperature: 0.7,
            max_tokens: 2048,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_string(), Some(value.to_string())),
                None => (word.clone(), words.next()),
            };
            let value = value.unwrap_or_else(|| refuse(&word));
            match name.as_str() {
                "--query" => found.query = value,
                "--temperature" => found.temperature = value.parse().unwrap_or_else(|_| refuse(&word)),
                "--max-tokens" => found.max_tokens = value.parse().unwrap_or_else(|_| refuse(&word)),
                _ => refuse(&word),
            }
        }
        found
    }

    /// The original samples a first token and then up to `max_tokens` more; it takes 0 for 1000.
    pub fn sampled(&self) -> u64 {
        1 + if self.max_tokens == 0 { 1000 } else { self.max_tokens }
    }
}

fn refuse<T>(word: &str) -> T {
    eprintln!("error: unexpected argument '{word}' found");
    std::process::exit(2)
}
