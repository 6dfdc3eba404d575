//! Reason codes: their titles, and what whoever keeps the source should do. Codes are permanent and travel in refusals.

/// A reason code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The code.
    pub code: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// The reason of a code, if it is known here; a newer release may have more.
pub fn reason(code: &str) -> Option<&'static Reason> {
    ALL.iter().find(|r| r.code == code)
}

macro_rules! reasons {
    ($($name:ident $code:literal $title:literal $fix:literal)*) => {
        $(
            #[doc = $title]
            pub const $name: Reason = Reason { code: $code, title: $title, fix: $fix };
        )*
        /// All of them, by code.
        pub const ALL: &[Reason] = &[$($name),*];
    };
}

reasons! {
    DATE_FUTURE "R-DATE-01" "日期晚于今天" "请核对年份并在来源系统更正日期；日期无误的，请核对代理本机时钟"
    DATE_UNREADABLE "R-DATE-02" "日期无法识别" "请按 年-月-日 填写真实存在的日期"
    DATE_FAKE "R-DATE-03" "疑为占位日期" "请核对；不详的日期请留空"
    DIVISION_FORM "R-DIV-01" "行政区划代码格式有误" "请填写 6 位行政区划代码"
    FORM "R-FORM-01" "条目格式不符" "请检查送出方的程序版本"
    FIELD_UNKNOWN "R-FIELD-01" "标准中没有的字段" "请检查映射所用的标准版本"
    KEY_ABSENT "R-KEY-01" "缺少可作主键的标识" "请至少提供主体身份代码、统一社会信用代码、注册号等标识之一"
    NUMBER_FORM "R-NUM-01" "不是数字" "请填写数字，单位以标准为准"
    ORGANISATION_CODE "R-ORG-01" "组织机构代码有误" "请对照原代码证核对"
    UNREADABLE "R-RAW-01" "内容无法识别" "请检查来源数据的字符编码和格式"
    NOT_PERMITTED "R-PERM-01" "来源无权陈述此类记录" "如确应由其陈述，请市级平台调整该来源的许可范围"
    REGISTRATION_NUMBER "R-REGNO-01" "注册号有误" "请对照营业执照核对；该号码不用于自动关联"
    REGISTRATION_NUMBER_TWICE "R-REGNO-02" "代码栏与注册号栏号码不同" "请核对两栏，代码栏只填统一社会信用代码"
    REQUIRED "R-REQ-01" "必填项为空" "请在来源系统补填后重送"
    SIZE "R-SIZE-01" "记录过大" "请检查是否误将附件或长文本写入字段"
    SUBJECT "R-SUBJ-01" "所述主体与记录内容不符" "请检查送出方的映射和程序版本"
    TAX_NUMBER "R-TAX-01" "税务登记号有误" "请核对；该号码不用于自动关联"
    USCC_LENGTH "R-USCC-01" "统一社会信用代码长度不符" "请对照营业执照补全为 18 位"
    USCC_CHECK "R-USCC-02" "统一社会信用代码校验位不符" "疑为手工录入有误，请对照营业执照核对"
    USCC_CHARACTER "R-USCC-03" "统一社会信用代码含不允许的字符" "代码不使用字母 I、O、S、V、Z，请核对"
    USCC_PLACEHOLDER "R-USCC-04" "统一社会信用代码为占位数字" "没有代码请留空，并提供注册号"
    USCC_INNER "R-USCC-05" "代码第 9 至 17 位不符合组织机构代码校验" "个别真实代码如此，请留意核对"
    USCC_CATEGORY "R-USCC-06" "登记管理部门与机构类别组合不在公布的目录内" "请留意核对"
    USCC_MISPLACED "R-USCC-07" "代码栏中是其他号码" "已按其实际类别收下；请在来源系统移到对应栏目"
    USCC_STRUCTURE "R-USCC-08" "统一社会信用代码结构不符" "第 1 位为登记管理部门，第 2 位为机构类别，第 3 至 8 位为登记机关行政区划数字，请对照营业执照逐位核对"
}
