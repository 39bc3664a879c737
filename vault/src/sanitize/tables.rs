//! Small tables of characters, by range. Made from the Unicode 16.0 data files `DerivedCoreProperties.txt`
//! (Default_Ignorable_Code_Point), `PropList.txt` (Bidi_Control, Noncharacter_Code_Point), `emoji-data.txt`
//! (Emoji) and `Scripts.txt`; wider than the data in places where nothing visible is lost.

/// Why a character is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Tag,
    VariationSelector,
    Bidi,
    ZeroWidth,
    Joiner,
    SoftHyphen,
    Filler,
    Interlinear,
    Noncharacter,
    Control,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tag => "tags",
            Self::VariationSelector => "variation_selector",
            Self::Bidi => "bidi",
            Self::ZeroWidth | Self::Joiner => "zero_width",
            Self::SoftHyphen => "soft_hyphen",
            Self::Filler => "filler",
            Self::Interlinear => "interlinear",
            Self::Noncharacter => "noncharacter",
            Self::Control => "control",
        }
    }
}

/// The class of a character that may not stand, or may stand in certain company only.
pub(super) fn class(c: char) -> Option<Class> {
    let n = u32::from(c);
    if n & 0xFFFE == 0xFFFE {
        return Some(Class::Noncharacter);
    }
    Some(match n {
        0x09 | 0x0A => return None,
        0x00..=0x1F | 0x7F..=0x9F => Class::Control,
        0xAD => Class::SoftHyphen,
        0x034F | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x3164 | 0xFFA0 => Class::Filler,
        0x180B..=0x180F | 0x16FE4 | 0x1D159 => Class::Filler,
        0x061C | 0x200E | 0x200F | 0x202A..=0x202E | 0x2066..=0x2069 => Class::Bidi,
        0x200C | 0x200D => Class::Joiner,
        0x200B | 0x2060..=0x2065 | 0x206A..=0x206F | 0xFEFF => Class::ZeroWidth,
        0xFE00..=0xFE0F | 0xE0100..=0xE01EF => Class::VariationSelector,
        0xFFF0..=0xFFFB => Class::Interlinear,
        0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A => Class::ZeroWidth,
        0xE0000..=0xE0FFF => Class::Tag,
        0xFDD0..=0xFDEF => Class::Noncharacter,
        _ => return None,
    })
}

/// Characters that an emoji sequence can be built on (digits and `#`, `*` only for keycaps: not here).
pub(super) fn emoji(c: char) -> bool {
    matches!(u32::from(c),
        0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2194..=0x21AA | 0x231A..=0x23FF | 0x24C2
        | 0x25AA..=0x25FE | 0x2600..=0x27BF | 0x2934 | 0x2935 | 0x2B05..=0x2B55 | 0x3030 | 0x303D
        | 0x3297 | 0x3299 | 0x1F000..=0x1FAFF)
}

/// Letters of scripts in which joiners change how words look: Arabic and its kin, the Indic
/// scripts, Myanmar, Khmer, Mongolian, Adlam, Rohingya.
pub(super) fn joining(c: char) -> bool {
    let n = u32::from(c);
    let script = matches!(n,
        0x0620..=0x06FF | 0x0700..=0x077F | 0x07C0..=0x07FF | 0x0840..=0x085F | 0x0870..=0x08FF
        | 0x0900..=0x0DFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x1820..=0x18AA | 0x1B00..=0x1B7F
        | 0xA980..=0xA9DF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC | 0x10D00..=0x10D3F | 0x11000..=0x11DAF
        | 0x1E900..=0x1E95F);
    // A dot below a letter of India is no letter, but the letter goes on behind it.
    let dot = matches!(n, 0x093C | 0x09BC | 0x0A3C | 0x0ABC | 0x0B3C | 0x0CBC | 0x1B34 | 0xA9B3);
    script && (c.is_alphabetic() || dot || virama(c))
}

/// Signs that end a consonant; a joiner after one may also end a word.
pub(super) fn virama(c: char) -> bool {
    matches!(
        u32::from(c),
        0x094D
            | 0x09CD
            | 0x0A4D
            | 0x0ACD
            | 0x0B4D
            | 0x0BCD
            | 0x0C4D
            | 0x0CCD
            | 0x0D4D
            | 0x0DCA
            | 0x1039
            | 0x103A
            | 0x17D2
            | 0x1B44
            | 0xA9C0
            | 0x11046
            | 0x110B9
            | 0x11133
            | 0x111C0
            | 0x11235
            | 0x1134D
            | 0x11442
            | 0x114C2
            | 0x115BF
            | 0x1163F
            | 0x116B6
    )
}
