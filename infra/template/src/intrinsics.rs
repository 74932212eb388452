//! CloudFormation's functions, in their short form.

use crate::yaml::{Yaml, inline};

/// The most characters of a value that stands beside others on a line.
const SHORT: usize = 60;

/// Nothing: the property counts as not set, the item as not there.
const NO_VALUE: &str = "AWS::NoValue";

/// What stands for a resource (a queue's URL, a table's name), or a parameter's value.
pub(crate) fn reference(id: &str) -> Yaml {
    tagged("!Ref", id)
}

/// A resource's attribute.
pub(crate) fn attribute(id: &str, name: &str) -> Yaml {
    tagged("!GetAtt", format!("{id}.{name}"))
}

/// A resource's ARN.
pub(crate) fn arn(id: &str) -> Yaml {
    attribute(id, "Arn")
}

/// Text with `${…}` in it.
pub(crate) fn substituted(text: impl Into<String>) -> Yaml {
    tagged("!Sub", text.into())
}

/// A name that begins with the stack's.
pub(crate) fn stack_name(name: &str) -> Yaml {
    substituted(format!("${{AWS::StackName}}-{name}"))
}

/// One of two values.
pub(crate) fn either(condition: &str, then: impl Into<Yaml>, otherwise: impl Into<Yaml>) -> Yaml {
    let (then, otherwise) = (then.into(), otherwise.into());
    let is_short = |value: &Yaml| match value {
        Yaml::Map(_) | Yaml::List(_) => false,
        Yaml::Tagged("!Sub", inner) => matches!(&**inner, Yaml::Text(text) if text.len() <= SHORT),
        _ => true,
    };
    let all_short = is_short(&then) && is_short(&otherwise);
    let parts = vec![condition.into(), then, otherwise];
    Yaml::Tagged(
        "!If",
        Box::new(if all_short {
            inline(parts)
        } else {
            Yaml::List(parts)
        }),
    )
}

/// A value, if the condition holds.
pub(crate) fn only_if(condition: &str, then: impl Into<Yaml>) -> Yaml {
    either(condition, then, reference(NO_VALUE))
}

/// A value, unless the condition holds.
pub(crate) fn unless(condition: &str, otherwise: impl Into<Yaml>) -> Yaml {
    either(condition, reference(NO_VALUE), otherwise)
}

/// Whether a parameter has that value.
pub(crate) fn equals(parameter: &str, value: &str) -> Yaml {
    Yaml::Tagged("!Equals", Box::new(inline([reference(parameter), value.into()])))
}

/// Whether all of these conditions hold.
pub(crate) fn all(conditions: impl IntoIterator<Item = Yaml>) -> Yaml {
    Yaml::Tagged("!And", Box::new(inline(conditions)))
}

/// Another condition, by its name.
pub(crate) fn condition(name: &str) -> Yaml {
    tagged("!Condition", name)
}

/// Whether a condition does not hold.
pub(crate) fn not(condition: Yaml) -> Yaml {
    Yaml::Tagged("!Not", Box::new(inline([condition])))
}

fn tagged(tag: &'static str, value: impl Into<Yaml>) -> Yaml {
    Yaml::Tagged(tag, Box::new(value.into()))
}
