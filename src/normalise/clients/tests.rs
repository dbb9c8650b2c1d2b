//! What real clients write, and what must not change a family.

use super::*;
use proptest::prelude::*;

/// What clients write, the family and the major version.
const SHAPES: &[(&str, &str, u16)] = &[
    ("OpenAI/Python 1.99.0", "openai/python", 1),
    ("OpenAI/Python 1.12.0 (Linux 6.8.0; x86_64) httpx/0.27.0", "openai/python", 1),
    ("AsyncOpenAI/Python 2.3.0", "openai/python", 2),
    ("AzureOpenAI/Python 1.30.1", "azureopenai/python", 1),
    ("OpenAI/JS 5.2.0", "openai/js", 5),
    ("OpenAI/NodeJS/3.2.1", "openai/nodejs", 3),
    ("OpenAI/Go 1.8.2", "openai/go", 1),
    ("Anthropic/Python 0.39.0", "anthropic/python", 0),
    ("AsyncAnthropic/Python 0.64.0", "anthropic/python", 0),
    ("Anthropic/JS 0.60.0", "anthropic/js", 0),
    ("claude-cli/2.0.14 (external, cli)", "claude-cli", 2),
    ("codex_cli_rs/0.39.0 (Mac OS 15.5.0; arm64) Apple_Terminal/455", "codex_cli_rs", 0),
    ("GeminiCLI/v0.1.5 (darwin; arm64)", "geminicli", 0),
    ("google-genai-sdk/1.10.0 gl-python/3.11.2", "google-genai-sdk", 1),
    ("ai-sdk/openai/2.0.3 ai/5.0.1 runtime/node.js/22", "ai-sdk/openai", 2),
    ("litellm/1.80.2", "litellm", 1),
    ("litellm-1.80.2", "litellm", 1),
    ("langchain", "langchain", 0),
    ("python-requests/2.31.0", "python-requests", 2),
    ("python-httpx/0.27.2", "python-httpx", 0),
    ("Python/3.11 aiohttp/3.9.1", "aiohttp", 3),
    ("Python-urllib/3.12", "python-urllib", 3),
    ("axios/1.7.9", "axios", 1),
    ("node-fetch/1.0 (+https://example.com/node-fetch)", "node-fetch", 1),
    ("undici", "undici", 0),
    ("node", "node", 0),
    ("Deno/2.1.4", "deno", 2),
    ("Bun/1.1.38", "bun", 1),
    ("curl/8.5.0", "curl", 8),
    ("Wget/1.21.4", "wget", 1),
    ("HTTPie/3.2.2", "httpie", 3),
    ("PostmanRuntime/7.43.0", "postmanruntime", 7),
    ("Go-http-client/2.0", "go-http-client", 2),
    ("okhttp/4.12.0", "okhttp", 4),
    ("Apache-HttpClient/4.5.13 (Java/17.0.1)", "apache-httpclient", 4),
    ("Java/17.0.1", "java", 17),
    ("Faraday v2.7.10", "faraday", 2),
    ("GuzzleHttp/7", "guzzlehttp", 7),
    ("reqwest/0.12.9", "reqwest", 0),
    ("Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux#6.8 lang/python#3.11.9", "boto", 1),
    ("Boto3/1.26.5 Python/3.9.2 Linux/5.10 Botocore/1.29.5", "boto", 1),
    ("aws-cli/2.15.0 Python/3.11.6 Linux/5.10 exe/x86_64.amzn.2", "aws-cli", 2),
    ("aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux", "aws-sdk-go", 1),
    ("aws-sdk-js/3.600.0 ua/2.0 os/linux#6.1 lang/js md/nodejs#20.11.1", "aws-sdk-js", 3),
    ("azsdk-python-ai-openai/1.0.0b2 Python/3.11.4 (Linux-5.15)", "azsdk-python-ai-openai", 1),
    ("grpc-python/1.60.0 grpc-c/37.0.0 (linux; chttp2)", "grpc-python", 1),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        "chrome",
        141,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 \
         Edg/141.0.3537.57",
        "edge",
        141,
    ),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "firefox", 143),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 \
         Safari/605.1.15",
        "safari",
        18,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1",
        "chrome",
        140,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Cursor/0.42.3 \
         Chrome/124.0.6367.243 Electron/30.4.0 Safari/537.36",
        "cursor",
        0,
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/139.0.0.0 Safari/537.36",
        "headlesschrome",
        139,
    ),
    ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://example.com/gptbot)", "gptbot", 1),
    (
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1682",
        "windowspowershell",
        5,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko", "mozilla", 5),
    ("billing-worker-9f86d081884c/3.1", "billing-worker", 3),
    ("worker-0b5c1c52-7a3b-4c1e-9d2f-0123456789ab", "worker", 0),
    ("our-app/20260701", "our-app", 0),
    ("žluťoučký-Kůň/2.0", "žluťoučký-kůň", 2),
    ("12345", "", 0),
    ("(only a comment)", "", 0),
    ("-", "", 0),
    ("", "", 0),
];

#[test]
fn clients_are_told_by_family_and_major_version() {
    for (text, family, major) in SHAPES {
        assert_eq!((family_of(text).as_str(), client(text).major), (*family, *major), "{text}");
        assert_eq!(client(text).family == 0, family.is_empty(), "{text}");
    }
}

#[test]
fn the_hash_of_a_family_never_changes() {
    assert_eq!(client("curl/8.5.0").family, client("CURL/7.1").family);
    assert_eq!(client("curl/8.5.0").family, 896_084_204_199_988_863);
}

proptest! {
    #[test]
    fn versions_and_platforms_change_no_family(
        shape in 0..SHAPES.len(),
        minor in 0..1000_u32,
        platform in "[A-Za-z0-9 ;._]{0,20}",
    ) {
        let (text, family, major) = SHAPES[shape];
        // `1.99.0` to `1.N.0`, and another platform behind it.
        let other = match text.split_once('.') {
            Some((before, after)) if before.ends_with(|c: char| c.is_ascii_digit()) => {
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before}.{minor}{rest} ({platform})")
            }
            _ => format!("{text} ({platform})"),
        };
        prop_assert_eq!((family_of(&other), client(&other).major), (family.to_owned(), major), "{}", other);
    }

    #[test]
    fn any_text_has_a_short_family(text in "\\PC{0,200}") {
        let family = family_of(&text);
        prop_assert!(family.len() <= FAMILY_MAX && !family.contains(char::is_numeric));
        prop_assert_eq!(client(&text).family == 0, family.is_empty());
    }
}
