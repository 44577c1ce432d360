"""Texts on which tokenizers differ when they differ at all."""

AWKWARD = (
    *(
        "Hello, world!",
        " leading",
        "trailing  ",
        "a  b   c    d",
        "\n\n\n",
        "\r\n x \r\n",
        "\t\tif x:\n\t\t\treturn  1",
    ),
    *(
        "don't DON'T we'll I'M",
        "naïve café",
        "cafe\u0301 e\u0301\u0301",
        "A\u0300B\u0327",
        "日本語のテキスト",
        "한국어",
    ),
    *("Привет, мир", "مرحبا بالعالم", "שלום", "नमस्ते", "ภาษาไทย", "😀👍🏽👨‍👩‍👧‍👦🇫🇷", "\u200b\ufeff\u00a0x", "𝕳𝖊𝖑𝖑𝖔 𐍈"),
    *("<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|><think>\n</think><tool_call>x</tool_call>", "<|im_start"),
    *("<|fim_prefix|>def<|fim_suffix|>", "for(int i=0;i<10;++i){a[i]+=1;}//x", "a==b!=c<=d>=e&&f||g", "12,345.67"),
    *("٣٤٥ ½ ²", "\x00\x01\x7f", "ﬁ ligature Å", "x" * 300, " " * 70, "=" * 40, "...\n\n--\n", "\u2028\x85\x0b\x0c"),
    *("ǅ ǈ", "\ud7ff\ue000\U0010ffff", "'s 'S 'ſ"),
)
