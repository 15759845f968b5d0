//! From what an author wrote to what the rest of the crate may rely on: defaults, units, paths, and the
//! rules that need more than one value to decide.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::check;
use super::document::{Document, join};
use super::raw::{
    IntoNode, Misplaced, RawAudience, RawCampaign, RawDelivery, RawFilter, RawFormat, RawMaxFailures,
    RawMessage, RawOnInDoubt, RawOperators, RawPostgres, RawScalar, RawSource, RawTest,
};
use super::schedule::RawSchedule;
use super::spec::{
    AudienceSpec, Campaign, Command, Delivery, Draft, Exclusion, Files, Filter, Format, MaxFailures,
    MessageSpec, OnInDoubt, Postgres, Scalar, Source, Test,
};
use super::units::{parse_duration, parse_share};
use super::workspace::{App, Endpoint, Workspace, secret_ref};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::timpush::wire::LA_ID_BYTES_MAX;

const DATA_ID: &str = "{{campaign}}/{{occurrence}}/{{batch}}";
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// Checks one campaign file's value. `base` is the folder its paths are relative to; `files` holds the audience files that were found, by the JSON pointer that
/// names them.
///
/// Without a workspace (it is missing or has mistakes of its own) the file is checked all the same, but no
/// campaign comes out, because its app is not known.
pub fn campaign(
    mut value: Value,
    document: &Arc<Document>,
    base: &Path,
    files: &HashMap<String, Files>,
    workspace: Option<&Workspace>,
) -> (Option<Campaign>, Option<Draft>, Diagnostics) {
    let written = value.clone();
    let diagnostics = check::CAMPAIGN.check(&mut value, document);
    let mut resolver = Resolver { document, base, files, diagnostics };
    let mut draft = None;
    let campaign = match serde_json::from_value::<RawCampaign>(value) {
        Ok(raw) => resolver.campaign(raw, &written, workspace, &mut draft),
        Err(error) => {
            // Not known to happen: what the schema lets pass, the types take.
            resolver.error(document.at_value("", "bad-value", format!("the file cannot be read: {error}")));
            None
        }
    };
    let campaign = campaign.filter(|_| !resolver.diagnostics.has_errors());
    (campaign, draft, resolver.diagnostics)
}

struct Resolver<'a> {
    document: &'a Arc<Document>,
    base: &'a Path,
    files: &'a HashMap<String, Files>,
    diagnostics: Diagnostics,
}

impl Resolver<'_> {
    /// Every section is resolved before the first missing one ends the matter, so that each is checked.
    fn campaign(
        &mut self,
        raw: RawCampaign,
        written: &Value,
        workspace: Option<&Workspace>,
        draft: &mut Option<Draft>,
    ) -> Option<Campaign> {
        let audience = raw.audience.and_then(|audience| self.audience(audience));
        let message = raw.message.map(|message| self.message(message));
        let schedule = raw.schedule.as_ref().map(|schedule| self.schedule(schedule));
        let delivery = self.delivery(raw.delivery.unwrap_or_default());
        // A template that is written and cannot be read must not be taken for the default.
        let data_id = match raw.data_id {
            None if written.get("data_id").is_some() => None,
            data_id => Some(data_id.unwrap_or_else(|| DATA_ID.to_owned())),
        };
        *draft = Some(Draft {
            id: raw.campaign.clone().unwrap_or_else(|| "campaign".to_owned()),
            audience: audience.clone(),
            message: message.clone(),
            data_id: data_id.clone(),
            scheduled: written.get("schedule").is_some(),
            timezone_column: raw.schedule.and_then(|schedule| schedule.timezone_column),
            document: Arc::clone(self.document),
        });
        let found = workspace.and_then(|workspace| self.app(raw.app, written, workspace));
        let (name, app) = found?;
        let from = raw.from.unwrap_or_else(|| app.identifier.clone());
        let content = content(written, &name, app, &from);
        Some(Campaign {
            id: raw.campaign?,
            description: raw.description,
            owner: raw.owner,
            app: name,
            from,
            revision: raw.revision.unwrap_or(1),
            audience: audience?,
            message: message?,
            data_id: data_id?,
            schedule: match schedule {
                Some(schedule) => Some(schedule?),
                None => None,
            },
            delivery: delivery?,
            document: Arc::clone(self.document),
            content_digest: Sha256::digest(canonical(&content).as_bytes()).into(),
            content_json: canonical(&without_accounts(content)).into(),
        })
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The app, by the name that is written or because it is the only one.
    fn app<'w>(
        &mut self,
        name: Option<String>,
        written: &Value,
        workspace: &'w Workspace,
    ) -> Option<(String, &'w App)> {
        let names = || workspace.apps.keys().map(String::as_str);
        let known = || names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let Some(name) = name else {
            // A mistake in `app` itself was told already.
            if written.is_object() && written.get("app").is_none() {
                if let [only] = names().collect::<Vec<_>>().as_slice() {
                    return Some(((*only).to_owned(), &workspace.apps[*only]));
                }
                let message = "`app` is left out, and the workspace has several apps";
                self.error(
                    self.document
                        .at_key("/campaign", "missing-app", message)
                        .help(format!("add `app:` with one of {}", known())),
                );
            }
            return None;
        };
        if let Some(app) = workspace.apps.get(&name) {
            return Some((name, app));
        }
        let diagnostic =
            self.document.at_value("/app", "unknown-app", format!("`pushplan.yaml` has no app `{name}`"));
        self.error(match nearest(&name, names()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("it has {}", known())),
        });
        None
    }

    fn audience(&mut self, mut raw: RawAudience) -> Option<AudienceSpec> {
        let source = self.source(raw.take_source(), "/audience");
        let filter = raw.filter.map(|filter| lower(filter, "/audience/where"));
        let suppress = raw.suppress_where.map(|filter| lower(filter, "/audience/suppress_where"));
        let exclude: Vec<Option<Exclusion>> = raw
            .exclude
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, mut raw)| {
                let at = format!("/audience/exclude/{index}");
                let (source, account) = self.source(raw.take_source(), &at)?;
                let filter = raw.filter.map(|filter| lower(filter, &format!("{at}/where")));
                Some(Exclusion { source, account, filter })
            })
            .collect();
        let expect = raw.expect.unwrap_or_default();
        if let (Some(min), Some(max)) = (expect.min, expect.max)
            && min > max
        {
            self.error(
                self.document
                    .at_value(
                        "/audience/expect/min",
                        "out-of-range",
                        format!("`min` is {min}, more than `max` ({max})"),
                    )
                    .help("no audience would pass: raise `max` or lower `min`"),
            );
        }
        let max_bad_rows = match raw.max_bad_rows {
            Some(text) => self.share(&text, "/audience/max_bad_rows"),
            None => Some(0.0),
        };
        let (source, account) = source?;
        Some(AudienceSpec {
            source,
            account,
            filter,
            suppress,
            exclude: exclude.into_iter().collect::<Option<_>>()?,
            expect_min: expect.min,
            expect_max: expect.max,
            max_bad_rows: max_bad_rows?,
        })
    }

    fn source(&mut self, raw: RawSource, at: &str) -> Option<(Source, String)> {
        if let Some(accounts) = raw.accounts {
            if raw.account.is_some() {
                let pointer = join(at, "account");
                self.error(
                    self.document
                        .at_key(
                            &pointer,
                            "conflicting-keys",
                            "`account` names a column, and `accounts` has none",
                        )
                        .help("leave `account` out"),
                );
            }
            return Some((Source::Accounts(accounts), "account".to_owned()));
        }
        // Files that were not found were told already.
        let files = |key| self.files.get(&join(at, key)).cloned();
        let source = if raw.csv.is_some() {
            Source::Csv(files("csv")?)
        } else if raw.jsonl.is_some() {
            Source::Jsonl(files("jsonl")?)
        } else if raw.parquet.is_some() {
            Source::Parquet(files("parquet")?)
        } else if let Some(RawPostgres { query, dsn }) = raw.postgres {
            Source::Postgres(Postgres { query, dsn: secret_ref(dsn, self.base)? })
        } else if let Some(command) = raw.command {
            let mut words = command.into_iter();
            Source::Command(Command {
                program: words.next()?,
                args: words.collect(),
                format: match raw.format? {
                    RawFormat::Csv => Format::Csv,
                    RawFormat::Jsonl => Format::Jsonl,
                },
                folder: self.base.to_owned(),
            })
        } else {
            return None;
        };
        Some((source, raw.account?))
    }

    fn message(&mut self, raw: RawMessage) -> MessageSpec {
        if raw.badge_add_num.is_some() && raw.badge_set_num.is_some() {
            let message = "`badge_add_num` has no effect beside `badge_set_num`, which wins";
            self.error(
                self.document
                    .at_key("/message/badge_add_num", "conflicting-keys", message)
                    .help("keep one of them")
                    .warning(),
            );
        }
        let activity = raw.apns.as_ref().and_then(|apns| apns.live_activity.as_ref());
        if let Some(id) = activity.and_then(|activity| activity.la_id.as_ref())
            && !id.contains("{{")
            && id.len() > LA_ID_BYTES_MAX
        {
            let message = format!("`la_id` is {} bytes, and may be at most {LA_ID_BYTES_MAX}", id.len());
            self.error(self.document.at_value("/message/apns/live_activity/la_id", "out-of-range", message));
        }
        self.languages(&raw);
        let mut misplaced = Vec::new();
        let root = raw.into_node("/message", &mut misplaced);
        for Misplaced { pointer, typed } in misplaced {
            let key = pointer.rsplit('/').next().unwrap_or_default().to_owned();
            self.error(
                self.document
                    .at_key(&pointer, "raw-key", format!("`{key}` under `raw` would not be checked"))
                    .help(format!("write `{typed}` beside `raw`")),
            );
        }
        MessageSpec { root }
    }

    fn languages(&mut self, raw: &RawMessage) {
        let languages = raw.multi_language.as_deref().unwrap_or_default();
        for (index, language) in languages.iter().enumerate() {
            if languages[..index].iter().any(|earlier| earlier.language == language.language) {
                let at = format!("/message/multi_language/{index}/language");
                let name = language.language.as_deref().unwrap_or_default();
                self.error(
                    self.document
                        .at_value(
                            &at,
                            "duplicate-language",
                            format!("the language `{name}` is written twice"),
                        )
                        .help("keep one of them"),
                );
            }
        }
    }

    fn schedule(&mut self, raw: &RawSchedule) -> Option<super::schedule::Schedule> {
        let (document, diagnostics) = (self.document, &mut self.diagnostics);
        raw.check(&mut |pointer, code, message, help| {
            let mut diagnostic = document.at_value(&format!("/schedule{pointer}"), code, message);
            diagnostic.help = help;
            diagnostics.push(diagnostic);
        })
    }

    fn delivery(&mut self, raw: RawDelivery) -> Option<Delivery> {
        let usual = Delivery::default();
        let max_failures = match raw.max_failures {
            Some(RawMaxFailures::Share(text)) => {
                self.share(&text, "/delivery/max_failures").map(MaxFailures::Share)
            }
            Some(RawMaxFailures::Count(count)) => Some(MaxFailures::Count(count)),
            None => Some(usual.max_failures),
        };
        let timeout = match raw.timeout {
            Some(text) => self.timeout(&text),
            None => Some(usual.timeout),
        };
        Some(Delivery {
            max_failures: max_failures?,
            on_in_doubt: match raw.on_in_doubt {
                Some(RawOnInDoubt::Resend) => OnInDoubt::Resend,
                Some(RawOnInDoubt::Hold) | None => OnInDoubt::Hold,
            },
            timeout: timeout?,
            in_flight: raw.in_flight.unwrap_or(usual.in_flight),
        })
    }

    fn timeout(&mut self, text: &str) -> Option<Duration> {
        let at = "/delivery/timeout";
        let diagnostic = match parse_duration(text) {
            Ok(timeout) if (TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) => return Some(timeout),
            Ok(_) => self.document.at_value(
                at,
                "out-of-range",
                format!("`timeout` is `{text}`, and must be from 1s to 5m"),
            ),
            Err(reason) => self
                .document
                .at_value(at, "bad-duration", format!("`timeout`: {reason}"))
                .help("write a number and a unit: `10s`, `1m30s`"),
        };
        self.error(diagnostic);
        None
    }

    fn share(&mut self, text: &str, at: &str) -> Option<f64> {
        match parse_share(text) {
            Ok(share) => Some(share),
            Err(reason) => {
                let key = at.rsplit('/').next().unwrap_or_default();
                self.error(
                    self.document
                        .at_value(at, "bad-share", format!("`{key}`: {reason}"))
                        .help("write a percentage from `0%` to `100%`"),
                );
                None
            }
        }
    }
}

/// All conditions of one map must hold: one alone stands for itself.
fn lower(raw: RawFilter, at: &str) -> Filter {
    let list = |filters: Vec<RawFilter>, key: &str| {
        let items = filters.into_iter().enumerate();
        items.map(|(index, filter)| lower(filter, &format!("{at}/{key}/{index}"))).collect()
    };
    let mut all = Vec::new();
    for (column, test) in raw.columns {
        let pointer = join(at, &column);
        all.extend(tests(test).into_iter().map(|test| Filter::Column {
            column: column.clone(),
            test,
            pointer: pointer.clone(),
        }));
    }
    all.extend(raw.all.map(|filters| Filter::All(list(filters, "all"))));
    all.extend(raw.any.map(|filters| Filter::Any(list(filters, "any"))));
    all.extend(raw.not.map(|filter| Filter::Not(Box::new(lower(*filter, &format!("{at}/not"))))));
    match <[Filter; 1]>::try_from(all) {
        Ok([only]) => only,
        Err(all) => Filter::All(all),
    }
}

fn tests(raw: RawTest) -> Vec<Test> {
    match raw {
        RawTest::Equals(value) => vec![Test::Eq(scalar(value))],
        RawTest::Operators(operators) => operator_tests(*operators),
    }
}

fn operator_tests(operators: RawOperators) -> Vec<Test> {
    let RawOperators { eq, ne, lt, lte, gt, gte, one_of, not_in, exists, contains, starts_with } = operators;
    [
        eq.map(|value| Test::Eq(scalar(value))),
        ne.map(|value| Test::Ne(scalar(value))),
        lt.map(|value| Test::Lt(scalar(value))),
        lte.map(|value| Test::Lte(scalar(value))),
        gt.map(|value| Test::Gt(scalar(value))),
        gte.map(|value| Test::Gte(scalar(value))),
        one_of.map(|values| Test::In(values.into_iter().map(scalar).collect())),
        not_in.map(|values| Test::NotIn(values.into_iter().map(scalar).collect())),
        exists.map(Test::Exists),
        contains.map(Test::Contains),
        starts_with.map(Test::StartsWith),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn scalar(raw: RawScalar) -> Scalar {
    match raw {
        RawScalar::Bool(value) => Scalar::Bool(value),
        RawScalar::Number(value) => Scalar::Number(value),
        RawScalar::Text(value) => Scalar::Text(value),
    }
}

/// What counts of a file; see [`Campaign::content_digest`].
fn content(written: &Value, name: &str, app: &App, from: &str) -> Value {
    let mut content = written.clone();
    if let Value::Object(map) = &mut content {
        map.remove("description");
        map.remove("owner");
        map.remove("delivery");
        // Whose people get it: another app of the same name is another audience, and a sandbox is nobody. How the
        // vendor is reached is not: a wrong `region` is mended under way.
        let app = match app.endpoint {
            Endpoint::Url(_) => json!({ "name": name, "sdk_app_id": app.sdk_app_id }),
            Endpoint::Sandbox => json!({ "name": name, "sandbox": true }),
        };
        map.insert("app".to_owned(), app);
        map.insert("from".to_owned(), json!(from));
    }
    content
}

/// Lists of accounts as their lengths.
fn without_accounts(mut content: Value) -> Value {
    let audience = &mut content["audience"];
    let count = |accounts: Option<&mut Value>| {
        if let Some(accounts) = accounts
            && let Value::Array(list) = &*accounts
        {
            *accounts = json!(format!("{} accounts", list.len()));
        }
    };
    count(audience.get_mut("accounts"));
    for source in audience.get_mut("exclude").and_then(Value::as_array_mut).into_iter().flatten() {
        count(source.get_mut("accounts"));
    }
    content
}

fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

/// Compact JSON with sorted keys, whatever order the map type keeps.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
