//! The model's own chat template, rendered as Hugging Face renders it: trimmed blocks, loop controls, and the string
//! methods of Python that templates call.

use minijinja::{Environment, Error, ErrorKind, context};
use minijinja_contrib::pycompat::unknown_method_callback;

use crate::failure::{Failure, Result};
use crate::gguf::Header;

const NAME: &str = "chat";

pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// `None` if the file has no template.
    pub fn read(header: &Header) -> Result<Option<Self>> {
        let Some(source) = header.text("tokenizer.chat_template") else {
            return Ok(None);
        };
        let tokens = header.texts("tokenizer.ggml.tokens").unwrap_or_default();
        let token = |name: &str| {
            header
                .unsigned(&format!("tokenizer.ggml.{name}_token_id"))
                .and_then(|id| tokens.get(usize::try_from(id).ok()?))
                .map_or_else(String::new, |text| (*text).to_owned())
        };
        Self::new(source, token("bos"), token("eos")).map(Some)
    }

    fn new(source: &str, bos: String, eos: String) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", |message: String| {
            Err::<String, _>(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(refusal)?;
        Ok(Self {
            environment,
            bos,
            eos,
        })
    }

    /// One turn of the user's, and the beginning of the assistant's.
    pub fn render(&self, prompt: &str) -> Result<String> {
        let template = self.environment.get_template(NAME).map_err(refusal)?;
        template
            .render(context! {
                messages => [context! { role => "user", content => prompt }],
                add_generation_prompt => true,
                bos_token => self.bos,
                eos_token => self.eos,
            })
            .map_err(refusal)
    }
}

fn refusal(error: Error) -> Failure {
    Failure::refused(format!("the model's chat template: {error}"))
        .with_remedy("set `raw` in the test to send the prompt as it is")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMOLLM2: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    fn render(source: &str, prompt: &str) -> Result<String> {
        ChatTemplate::new(source, "<s>".into(), "</s>".into())?.render(prompt)
    }

    #[test]
    fn smollm2_gets_its_system_turn_and_an_open_assistant_turn() {
        assert_eq!(
            render(SMOLLM2, "What is 2+2?").unwrap(),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
             <|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn what_qwen3_uses_of_jinja_and_python_works() {
        let source = r#"{%- set ns = namespace(last=-1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if message.role == "user" and message.content is string and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
        {%- set ns.last = index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {{- message.content.split('</think>')[-1].lstrip('\n').rstrip() + '|' + ns.last|string }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- 'no thinking' }}
    {%- endif %}
{%- endif %}"#;
        assert_eq!(render(source, "a</think>\n\nb  ").unwrap(), "b|0\n");
    }

    #[test]
    fn blocks_leave_no_blank_lines_and_special_tokens_are_given() {
        let source = "{{ bos_token }}\n{% if true %}\n  x\n  {% endif %}\n{{ eos_token }}\n";
        assert_eq!(render(source, "").unwrap(), "<s>\n  x\n</s>");
    }

    #[test]
    fn a_template_that_raises_is_refused_in_its_own_words() {
        let failure = render("{{ raise_exception('no user turn') }}", "x").unwrap_err();
        assert!(failure.message.contains("no user turn"), "{failure:?}");
        assert!(render("{% if %}", "x").is_err());
    }

    #[test]
    fn markup_in_a_prompt_is_not_escaped() {
        assert_eq!(
            render("{{ messages[0].content }}", "<a & b>").unwrap(),
            "<a & b>"
        );
    }
}
