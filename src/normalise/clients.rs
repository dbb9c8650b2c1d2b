//! What client software a User-Agent names, whatever its version, its platform and its build.

use crate::key::leading_u64;

/// Longest name of a family, in bytes.
const FAMILY_MAX: usize = 64;
/// How many products of a User-Agent are looked at; the longest of AWS have about a dozen.
const PRODUCTS_MAX: usize = 24;

/// The client software that a User-Agent names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Client {
    /// A hash of the name of its family, the same on every machine; 0 if none is named.
    pub family: u64,
    /// Its major version; 0 if none is told.
    pub major: u16,
}

/// Products that stand in a browser's text for the sake of servers of long ago, or say where it runs.
const FILLERS: &[&str] = &["mozilla", "applewebkit", "khtml", "gecko", "like", "mobile", "version", "ubuntu"];

/// Engines and shells, which only count where no other product is named: an editor in Electron is no Chrome.
const ENGINES: &[&str] = &["chrome", "chromium", "crios", "firefox", "fxios", "electron", "safari"];

/// Languages and their runtimes, which stand before or behind the library that asks.
const RUNTIMES: &[&str] =
    &["python", "cpython", "java", "node", "node.js", "ruby", "php", "perl", "dotnet", "linux"];

/// Other names of one family.
const SAME: &[(&str, &str)] = &[
    ("chromium", "chrome"),
    ("crios", "chrome"),
    ("fxios", "firefox"),
    ("edg", "edge"),
    ("edga", "edge"),
    ("edgios", "edge"),
    ("opr", "opera"),
    ("opios", "opera"),
    // One library of Python, with and without waiting.
    ("asyncopenai/python", "openai/python"),
    ("asyncanthropic/python", "anthropic/python"),
    ("asyncazureopenai/python", "azureopenai/python"),
    ("asyncanthropicbedrock/python", "anthropicbedrock/python"),
    ("asyncanthropicvertex/python", "anthropicvertex/python"),
];

/// What client software `text` names.
pub fn client(text: &str) -> Client {
    let (family, major) = named(text);
    if family.is_empty() {
        return Client::default();
    }
    Client { family: leading_u64(blake3::hash(family.as_bytes()).as_bytes()).max(1), major }
}

/// The family of that software, for people; empty if none is named.
pub fn family_of(text: &str) -> String {
    named(text).0
}

/// A product as it is named: `OpenAI/Python 1.99.0`, `curl/8.5.0`.
struct Product {
    family: String,
    /// Empty if none is told.
    version: String,
}

impl Product {
    fn major(&self) -> u16 {
        let digits = self.version.trim_start_matches(['v', 'V', 'r']);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        // More than a major version has: a date or a number of a build.
        digits[..end].parse().unwrap_or(0)
    }
}

fn named(text: &str) -> (String, u16) {
    let products = products(text);
    let Some(first) = products.first() else { return (String::new(), 0) };
    let product = match first.family.as_str() {
        "mozilla" => match compatible(text) {
            Some(product) => return told(product),
            None => browser(&products),
        },
        family if RUNTIMES.contains(&family) => {
            products.iter().find(|product| !RUNTIMES.contains(&product.family.as_str())).unwrap_or(first)
        }
        _ => first,
    };
    let version = match product.family.as_str() {
        // It is `Safari/605.1.15` for years, and `Version/18.3` tells.
        "safari" => products.iter().find(|product| product.family == "version").unwrap_or(product),
        _ => product,
    };
    told(Product { family: product.family.clone(), version: version.version.clone() })
}

fn told(product: Product) -> (String, u16) {
    let major = product.major();
    let same = SAME.iter().find(|(other, _)| *other == product.family);
    (same.map_or(product.family, |(_, family)| (*family).to_owned()), major)
}

/// The product that makes a browser this one.
fn browser(products: &[Product]) -> &Product {
    let is = |product: &&Product, list: &[&str]| list.contains(&product.family.as_str());
    let own = products.iter().find(|product| !is(product, FILLERS) && !is(product, ENGINES));
    let engine =
        || ENGINES.iter().find_map(|engine| products.iter().find(|product| product.family == *engine));
    own.or_else(engine).unwrap_or(&products[0])
}

/// `Mozilla/5.0 (compatible; GPTBot/1.2; …)`: the product in the comment.
fn compatible(text: &str) -> Option<Product> {
    let (_, comment) = text.split_once("compatible;")?;
    let end = comment.find([';', ')', ',']).unwrap_or(comment.len());
    products(&comment[..end]).into_iter().next().filter(|product| product.family != "msie")
}

/// The products of a User-Agent, without comments.
fn products(text: &str) -> Vec<Product> {
    let mut products: Vec<Product> = Vec::new();
    let mut depth = 0_u32;
    for word in text.split_ascii_whitespace() {
        let opens = count(word, '(');
        let is_inside = depth > 0 || word.starts_with('(');
        depth = (depth + opens).saturating_sub(count(word, ')'));
        if is_inside || word.contains("://") {
            continue;
        }
        let word = word.split('(').next().unwrap_or_default();
        match products.last_mut() {
            // `OpenAI/Python 1.99.0`, `Faraday v2.7.10`: the version stands by itself.
            Some(last) if is_version(word) => {
                if last.version.is_empty() {
                    word.clone_into(&mut last.version);
                }
            }
            _ => products.extend(product(word)),
        }
        if products.len() == PRODUCTS_MAX {
            break;
        }
    }
    products
}

fn count(word: &str, sought: char) -> u32 {
    u32::try_from(word.matches(sought).count()).unwrap_or(u32::MAX)
}

/// The product that one word names.
fn product(word: &str) -> Option<Product> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let mut names = Vec::new();
    let mut version = "";
    for part in word.split('/') {
        if is_version(part) {
            version = part;
            break;
        }
        let (name, told) = apart(part);
        let name = blank(name);
        if !name.is_empty() {
            names.push(name);
        }
        if !told.is_empty() {
            version = told;
            break;
        }
    }
    let mut family = names.join("/");
    let end = (0..=FAMILY_MAX.min(family.len())).rev().find(|at| family.is_char_boundary(*at)).unwrap_or(0);
    family.truncate(end);
    (!family.is_empty()).then(|| Product { family, version: version.to_owned() })
}

/// `litellm-1.80.2` and `litellm@1.80.2`: name and version in one.
fn apart(part: &str) -> (&str, &str) {
    let cuts = part.char_indices().filter(|(_, c)| matches!(c, '-' | '_' | '@' | ':' | '#' | '='));
    for (at, mark) in cuts {
        let rest = &part[at + mark.len_utf8()..];
        if is_version(rest) && rest.contains('.') {
            return (&part[..at], rest);
        }
    }
    (part, "")
}

/// `1.99.0`, `v2`, `0.30.0-beta`, and no `1password`.
fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < digits.len() && !rest.starts_with(char::is_alphabetic)
}

/// A name in small letters without what changes from build to build: its numbers, and all that follows a hash.
fn blank(name: &str) -> String {
    let mut out = String::new();
    let mut mark = None;
    for segment in name.split_inclusive(['-', '_', '.']) {
        let text = segment.trim_end_matches(['-', '_', '.']);
        if is_hash(text) {
            break;
        }
        let letters: String = text.chars().filter(|c| !c.is_numeric() && !c.is_control()).collect();
        // What is left of `v2` is nothing.
        let is_number = letters.len() < text.len() && matches!(letters.as_str(), "" | "v" | "V");
        if !is_number && !letters.is_empty() {
            out.extend(mark);
            out.push_str(&letters.to_lowercase());
        }
        if !out.is_empty() {
            mark = segment.chars().next_back().filter(|c| matches!(c, '-' | '_' | '.'));
        }
    }
    out
}

/// Hexadecimal digits, four or more and some of them no letters.
fn is_hash(text: &str) -> bool {
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    text.len() >= 4 && has_digit && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
