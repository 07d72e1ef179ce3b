//! Secrets: given as they are, or as the name of a file that holds them.

use std::fs;
use std::path::Path;

use secrecy::SecretString;

use super::raw::Secret;

/// Takes the secret of `key` from where it was given; `None` if nowhere.
///
/// Line ends at the end of a file are not part of a secret: editors and
/// `echo` put them there. An empty secret is an error, since it would admit anybody.
pub(super) fn secret(
    key: &str,
    given: Option<Secret>,
    file: Option<String>,
) -> Result<Option<SecretString>, String> {
    match (given, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!("{key} and {key}_file are both set: keep one of them")),
        (Some(Secret(secret)), None) => not_empty(secret).map(Some).ok_or_else(|| format!("{key} is empty")),
        (None, Some(file)) => read(Path::new(&file)).map(Some).map_err(|e| format!("{key}_file: {e}")),
    }
}

fn read(path: &Path) -> Result<SecretString, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let secret = SecretString::from(text.trim_end_matches(['\r', '\n']));
    not_empty(secret).ok_or_else(|| format!("{shown} is empty"))
}

fn not_empty(secret: SecretString) -> Option<SecretString> {
    use secrecy::ExposeSecret;
    (!secret.expose_secret().is_empty()).then_some(secret)
}
