// java.net.URI's reading of URIs: one in Base64 a line on stdin; its scheme, host, path and whole text a line on stdout, or "!".
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Base64;

import static java.nio.charset.StandardCharsets.UTF_8;

class Read {
    static String encode(String text) {
        return Base64.getEncoder().encodeToString((text == null ? "" : text).getBytes(UTF_8));
    }

    // Its equals folds the case of schemes and hosts.
    static String fold(String text) {
        return text == null ? "" : text.toLowerCase(java.util.Locale.ROOT);
    }

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            try {
                var one = new URI(new String(Base64.getDecoder().decode(line), UTF_8)).normalize();
                var host = one.getHost() == null ? one.getAuthority() : one.getHost();
                var path = one.getPath() == null ? one.getSchemeSpecificPart() : one.getPath();
                System.out.println(String.join(" ", encode(fold(one.getScheme()) + ":"), encode(fold(host)),
                        encode(path), encode(one.toString())));
            } catch (URISyntaxException error) {
                System.out.println("!");
            }
        }
    }
}
