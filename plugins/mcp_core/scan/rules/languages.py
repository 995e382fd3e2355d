"""Other languages: the plainest forms of overriding and secrecy, where the words of English rules do not reach.

Languages in Latin letters are phrases without accents; others are searched for in the composed text.
"""

from __future__ import annotations

from typing import Final

from mcp_core.scan.rule import BLOCK, Pattern, ScanRule, Weakening

RULES: Final = (
    ScanRule(
        "languages.override",
        BLOCK,
        "It asks the model, in another language than English, to disregard its instructions.",
        phrases=(
            (
                "ignora|ignore|ignorar|olvida|olvide|descarta|omite|desobedece ~4 instrucciones|reglas|indicaciones|"
                "ordenes|directrices"
            ),
            (
                "ignore|ignorez|oublie|oubliez|neglige|negligez ~1 les|tes|toutes|vos|ces|tes|mes ~2 instructions|"
                "consignes|regles|directives"
            ),
            (
                "ignoriere|ignorieren|vergiss|vergessen|missachte|missachten ~4 anweisungen|instruktionen|regeln|"
                "vorgaben|befehle|anweisung"
            ),
            "vergiss|vergessen ~2 alles|alle ~4 davor|zuvor|bisher*|vorher*|gesagt*|oben",
            "ignora|ignorare|dimentica|dimenticate|trascura ~4 istruzioni|regole|indicazioni|direttive",
            "ignore|ignorar|esqueca|esquecer|desconsidere|descarte ~4 instrucoes|regras|orientacoes|diretrizes",
            "negeer|vergeet ~4 instructies|regels|aanwijzingen|opdrachten",
            "zignoruj|zapomnij|pomin|ignoruj ~4 instrukcje|polecenia|zasady|instrukcji|wytyczne",
            "ignorera|glom ~4 instruktioner|regler|anvisningar",
            (
                "onceki|yukaridaki|tum|butun ~3 talimatlari|talimat|kurallari|yonergeleri ~3 unut|yoksay|dikkate|"
                "gormezden|goz"
            ),
            "abaikan|lupakan ~3 instruksi|perintah|aturan|petunjuk ~3 sebelumnya|di|sistem|yang",
            "bo|quen qua|het ~4 huong|chi|lenh ~3 truoc|dan|tren",
            "ignoruj|zapomen ~4 pokyny|instrukce|pravidla",
            "ignorati|ignora ~4 instructiunile|regulile",
            "ahora eres|actua|actuas|estas ~6 sin restricciones|limites|filtros|reglas",
            "responde|responder|respondeme|actua|contesta ~4 sin ~1 restricciones|filtro|filtros|limites|censura",
            (
                "modo|mode|modus desarrollador|developpeur|sviluppatore|desenvolvedor|entwickler|dan|dios|dieu ~2 "
                "activ*|sin|sans|ohne|aktiviert|ativado|attivo"
            ),
            "maintenant|desormais tu|vous ~1 es|etes ~6 sans restrictions|limites|filtres|regles",
            "repondre|reponds|repondez|agis ~3 sans ~1 restrictions|restriction|limites|filtre|filtres",
            (
                "ab|von jetzt|nun ~2 bist|hast|du|sie ~6 keine|ohne ~2 regeln|einschrankungen|beschrankungen|filter|"
                "grenzen"
            ),
            "antworte|antworten|handle ~3 ohne ~1 einschrankungen|beschrankungen|filter|regeln",
            "ora|adesso sei|agisci ~6 senza restrizioni|limiti|filtri|regole",
            "agora voce|tu|es ~6 sem restricoes|limites|filtros|regras",
            (
                "revela|muestra|dime|reveal|rivela|revele|mostre|affiche|montre|zeige|verrate|nenne ~4 instrucciones|"
                "istruzioni|instructions|instrucoes|anweisungen|systemprompt|prompt ~3 sistema|systeme|system|di|"
                "internas|completas|parola|palabra|secretes|wortlich"
            ),
            (
                "reglas|regles|regeln|regole|regras ~3 seguridad|securite|sicherheit|sicurezza|seguranca ~4 no|ne|"
                "nicht|non|nao"
            ),
            "puuttumatta|unohda|ohita|sivuuta ~4 ohjeet|maaraykset|saannot",
        ),
        patterns=(
            Pattern(
                r"(?:忽略|无视|忽視|無視|忘记|忘掉|忘記|不要理会|不要遵守|不再遵守|抛弃|绕过|覆盖)[^。.!\uff01\n\x00]{0,16}(?:指令|指示|说明|說明|规则|規則|提示|命令|要求|限制|约束|政策)",
                composed=True,
            ),
            Pattern(
                r"(?:指示|命令|ルール|規則|プロンプト|指令)[^。\n\x00]{0,10}(?:無視|忘れ|従わ|破棄|上書き)",
                composed=True,
            ),
            Pattern(
                r"(?:이전|위의|앞의|모든|기존|시스템)[^.\n\x00]{0,14}(?:지시|명령|규칙|지침|프롬프트|설명)[^.\n\x00]{0,8}(?:무시|잊|따르지)",
                composed=True,
            ),
            Pattern(
                r"(?:игнорируй|проигнорируй|забудь|отбрось|не\s{1,3}следуй|не\s{1,3}выполняй|игнорировать|забудьте)[^.\n\x00]{0,40}(?:инструкци|указани|правил|команд|промпт|ограничени)",
                composed=True,
            ),
            Pattern(r"(?:ігноруй|проігноруй|забудь)[^.\n\x00]{0,40}(?:інструкці|вказівк|правил|команд)", composed=True),
            Pattern(
                r"(?:تجاهل|انس|تجاوز|اهمل|أهمل)[^.\n\x00]{0,30}(?:التعليمات|الأوامر|تعليمات|القواعد|التوجيهات|الاوامر)",
                composed=True,
            ),
            Pattern(r"(?:התעלם|שכח)[^.\n\x00]{0,30}(?:ההוראות|הוראות|הכללים)", composed=True),
            Pattern(
                r"(?:पिछले|पूर्व|सभी|पहले)[^।\n\x00]{0,30}(?:निर्देश|नियम|आदेश)[^।\n\x00]{0,20}(?:अनदेखा|नजरअंदाज|नज़रअंदाज़|भूल|उपेक्षा)",
                composed=True,
            ),
            Pattern(r"(?:ละเว้น|เพิกเฉย|ลืม|ไม่ต้องสนใจ)[^\n\x00]{0,30}(?:คำสั่ง|คำแนะนำ|กฎ)", composed=True),
            Pattern(r"(?:αγνόησε|αγνοήστε|ξέχνα|ξεχάστε)[^.\n\x00]{0,30}(?:οδηγίες|εντολές|κανόνες)", composed=True),
        ),
        guard=Weakening.SPOKEN_OF,
    ),
    ScanRule(
        "languages.secrecy",
        BLOCK,
        "It asks the model, in another language than English, to keep something from the user.",
        phrases=(
            (
                "no|nunca|sin ~2 digas|informes|menciones|reveles|notifiques|avises|avisar|informar|decirle|"
                "mencionar|muestres|comuniques ~5 usuario|usuarios"
            ),
            (
                "ne|sans|jamais ~3 dire|dites|informer|informez|mentionner|mentionnez|revelez|reveler|prevenir|"
                "signaler|montrez ~5 utilisateur|utilisateurs"
            ),
            (
                "nicht|ohne|niemals|nie|keinesfalls ~5 informier*|mitteilen|sagen|erwahnen|erwahne|verraten|"
                "benachrichtig* ~4 benutzer|nutzer|anwender"
            ),
            (
                "benutzer|nutzer|anwender ~6 nicht|nichts|niemals|nie ~3 informier*|mitteilen|sagen|erwahnen|wissen|"
                "erfahren|mit|benachrichtig*|davon"
            ),
            "sage|teile|informiere|erwahne|verrate|zeige ~3 benutzer|nutzer|anwender ~4 nicht|nichts|niemals",
            (
                "non|senza|mai ~2 dire|informare|informarlo|menzionare|rivelare|avvisare|mostrare|notificare ~5 "
                "utente|utenti"
            ),
            (
                "nao|nunca|sem ~2 diga|informe|mencione|revele|notifique|avise|informar|avisar|contar|mencionar|"
                "notificar|mostre ~5 usuario|utilizador|usuarios"
            ),
            "kullaniciya|kullaniciyi ~5 soyleme|bildirme|bahsetme|gosterme|haber|sormadan",
            "nie|bez ~2 informuj|mow|wspominaj|informowania|ujawniaj ~5 uzytkownik*|uzytkownika|uzytkownikowi",
            "niet|zonder|nooit ~3 vertellen|vertel|informeren|informeer|melden|meld|noemen|vermeld ~5 gebruiker",
            "jangan|tanpa ~2 beritahu|beri|memberitahu|sebutkan|ungkapkan|memberi ~5 pengguna",
        ),
        patterns=(
            Pattern(
                r"(?:不要|不得|切勿|勿|别|請勿|请勿|无需|不能|禁止|不可)[^。\n\x00]{0,10}(?:告诉|告知|通知|告訴|提及|透露|提示|让|讓|向|显示给|展示给)[^。\n\x00]{0,8}(?:用户|用戶|使用者|人类)",
                composed=True,
            ),
            Pattern(
                r"(?:用户|用戶|使用者)[^。\n\x00]{0,8}(?:不知情|不知道|不会察觉|毫不知情)|(?:瞒着|背着|隐瞒|对)[^。\n\x00]{0,4}(?:用户|用戶|使用者)[^。\n\x00]{0,6}(?:保密|隐瞒|隐藏)",
                composed=True,
            ),
            Pattern(
                r"(?:ユーザー|利用者)[^。\n\x00]{0,16}(?:知らせ|伝え|言わ|通知|明か|報告|見せ)[^。\n\x00]{0,6}(?:ない|ず|な)",
                composed=True,
            ),
            Pattern(
                r"(?:사용자|유저)[^.\n\x00]{0,14}(?:알리지|말하지|언급하지|공개하지|보여주지|모르게|몰래)",
                composed=True,
            ),
            Pattern(
                r"(?:не\s{1,3}(?:сообщай|говори|рассказывай|упоминай|показывай|уведомляй|раскрывай)|незаметно\s{1,3}для|втайне\s{1,3}от|без\s{1,3}ведома)[^.\n\x00]{0,30}пользовател",
                composed=True,
            ),
            Pattern(
                r"(?:لا\s{1,3}(?:تخبر|تذكر|تكشف|تبلغ)|دون\s{1,3}(?:علم|إخبار|إبلاغ))[^.\n\x00]{0,20}(?:المستخدم|للمستخدم)",
                composed=True,
            ),
            Pattern(r"(?:उपयोगकर्ता|यूज़र|यूजर)[^।\n\x00]{0,20}(?:न\s{1,3}बता|मत\s{1,3}बता|सूचित\s{1,3}न)", composed=True),
        ),
    ),
    ScanRule(
        "languages.precondition",
        BLOCK,
        "It asks, in another language than English, for secrets to be read or sent before the tool is used.",
        phrases=(
            (
                "antes|primero|debes|debe|siempre ~8 lee|leer|lea|envia|enviar|envie|copia|copiar ~8 xsensitive|"
                "credenciales|contrasenas|claves|ssh"
            ),
            (
                "avant|abord|toujours|devez|dois ~8 lire|lisez|lis|envoyer|envoyez|copiez ~8 xsensitive|identifiants|"
                "secrets|motdepasse|cles|ssh"
            ),
            (
                "zuerst|bevor|immer|musst|mussen ~10 xsensitive|zugangsdaten|passworter|schlussel|anmeldedaten ~6 "
                "lesen|lies|senden|sende|schicke|kopiere|auslesen|und"
            ),
            "prima|sempre|devi ~8 leggi|leggere|invia|inviare|copia ~8 xsensitive|credenziali|password|chiavi",
            "antes|primeiro|sempre|deve ~8 leia|ler|envie|enviar|copie ~8 xsensitive|credenciais|senhas|chaves",
        ),
        patterns=(
            Pattern(
                r"(?:之前|首先|必须|必須|务必|先|总是|请先)[^。\n\x00]{0,20}(?:读取|讀取|发送|發送|上传|上傳|复制|打开|执行|调用)[^。\n\x00]{0,24}(?:密钥|密码|密碼|凭证|憑證|凭据|私钥|令牌|\.ssh|\.aws|\.env|id_rsa|/etc/|环境变量|聊天记录|对话|系统提示)",
                composed=True,
            ),
            Pattern(
                r"(?:まず|前に|必ず|最初に)[^。\n\x00]{0,40}(?:鍵|パスワード|認証情報|秘密|トークン|\.ssh|\.aws|\.env|id_rsa|/etc/|会話)[^。\n\x00]{0,16}(?:読|送|コピー|アップロード|渡)",
                composed=True,
            ),
            Pattern(
                r"(?:сначала|перед|прежде|обязательно|всегда)[^.\n\x00]{0,40}(?:прочита|отправ|скопир|передай|загруз)[^.\n\x00]{0,40}(?:ключ|парол|учетн|учётн|секрет|токен|\.ssh|\.aws|\.env|id_rsa|/etc/)",
                composed=True,
            ),
            Pattern(
                r"(?:먼저|전에|반드시)[^.\n\x00]{0,40}(?:키|비밀번호|자격|토큰|비밀|\.ssh|\.aws|\.env|id_rsa|/etc/|대화)[^.\n\x00]{0,16}(?:읽|보내|전송|복사|업로드)",
                composed=True,
            ),
        ),
    ),
)
