// SPDX-License-Identifier: Apache-2.0
// Given ...: serves at the port that the variable PORT says, whatever arguments it is given.
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

public class Given {
	public static void main(String[] args) throws Exception {
		int port = Integer.parseInt(System.getenv("PORT"));
		HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
		server.createContext("/", asked -> {
			asked.sendResponseHeaders(200, 3);
			asked.getResponseBody().write("ok\n".getBytes());
			asked.close();
		});
		server.start();
	}
}
